import { numberText } from '../terminal/listing.js';

/** `12`, or `12 to 15` where it is not known which endpoints have several of its packages. */
export function endpointsText(one: { readonly endpointsAtLeast: number; readonly endpointsAtMost: number }): string {
  const least = numberText(one.endpointsAtLeast);
  return one.endpointsAtLeast === one.endpointsAtMost ? least : `${least} to ${numberText(one.endpointsAtMost)}`;
}

import { isPublicKeyX, type NamedKey } from '@muster/identity/agent';
import { z } from 'zod';

const rootsSchema = z.object({
  keys: z
    .array(z.object({ kid: z.string().min(1).max(200), x: z.string().refine(isPublicKeyX) }))
    .min(1)
    .max(16),
});

/**
 * The roots of a JWKS, or of the `trust` of an enrolment; `undefined` when it names none. Other members are ignored.
 */
export function parseRoots(value: unknown): readonly NamedKey[] | undefined {
  return rootsSchema.safeParse(value).data?.keys;
}

/** The same from the text of a file. */
export function parseRootsText(text: string): readonly NamedKey[] | undefined {
  try {
    return parseRoots(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function sameRoots(one: readonly NamedKey[], other: readonly NamedKey[]): boolean {
  const form = (keys: readonly NamedKey[]): string =>
    keys
      .map(({ kid, x }) => `${kid} ${x}`)
      .toSorted()
      .join('\n');
  return form(one) === form(other);
}

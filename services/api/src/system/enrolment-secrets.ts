import type { EnrolmentSecretJson, EnrolmentSecretsJson } from '@muster/api-contract';
import type { Endpoint } from '@muster/directory';
import type { EnrolmentSecretBounds, GatewayAbout } from '@muster/messages';
import { given, isoTime } from '../http/json-members.js';
import type { AskedGateways } from '../upstream/ask-gateways.js';

/** Secrets as the gateways have them, with the identities that enrolled with each as the directory has them. */
export function enrolmentSecrets(
  { answers, isInDoubt }: AskedGateways<GatewayAbout>,
  endpoints: Iterable<Pick<Endpoint, 'secret'>>,
  nowMs: number,
): EnrolmentSecretsJson {
  const known = new Map<string, { readonly bounds: EnrolmentSecretBounds; gateways: number }>();
  const abouts = answers.flatMap((one) => (one.state === 'answered' ? [one.report] : []));
  for (const bounds of abouts.flatMap(({ secrets }) => secrets)) {
    const { gateways } = known.get(bounds.name) ?? { gateways: 0 };
    known.set(bounds.name, { bounds: known.get(bounds.name)?.bounds ?? bounds, gateways: gateways + 1 });
  }
  // Without any gateway nobody has said anything.
  const complete = !isInDoubt && abouts.length > 0 && abouts.length === answers.length;
  const enrolled = new Map<string, number>();
  let unnamed = 0;
  for (const { secret } of endpoints) {
    if (secret === undefined) unnamed += 1;
    else enrolled.set(secret, (enrolled.get(secret) ?? 0) + 1);
  }
  const items = [...new Set([...known.keys(), ...enrolled.keys()])].toSorted().map((name): EnrolmentSecretJson => {
    const { bounds, gateways: have = 0 } = known.get(name) ?? {};
    const gateways = have === 0 ? 'none' : have === abouts.length ? 'all' : 'some';
    const identities = enrolled.get(name) ?? 0;
    const { expiresAtMs, maxIdentities, perMinute, labels } = bounds ?? {};
    return {
      ...{ name, state: stateOf(bounds, { identities, complete, nowMs }), identities, gateways },
      ...given('expiresAt', expiresAtMs === undefined ? undefined : isoTime(expiresAtMs)),
      ...{ ...given('maxIdentities', maxIdentities), ...given('perMinute', perMinute), ...given('labels', labels) },
    };
  });
  return { items, complete, unnamed };
}

function stateOf(
  bounds: EnrolmentSecretBounds | undefined,
  { identities, complete, nowMs }: { readonly identities: number; readonly complete: boolean; readonly nowMs: number },
): EnrolmentSecretJson['state'] {
  if (bounds === undefined) return complete ? 'gone' : 'unknown';
  if (bounds.expiresAtMs !== undefined && bounds.expiresAtMs <= nowMs) return 'expired';
  return bounds.maxIdentities !== undefined && identities >= bounds.maxIdentities ? 'full' : 'active';
}

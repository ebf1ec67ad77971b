/**
 * Who stands behind a credential. A credential that somebody made counts as theirs, and so does one that was made with it, however often:
 *
 *     origin ──makes──▶ token (a person) ──makes──▶ token (the same person) ──makes──▶ …
 *
 * The origin is a subject of the identity provider, which is the person as well, or the bootstrap token. That one is no
 * person's: each token that was made with it directly is a person of its own.
 */
export interface Standing {
  /** Equal for all credentials of one person. */
  readonly person: string;
  /** Where the line of makers begins; {@link UNKNOWN_ORIGIN} when that cannot be told any more. */
  readonly origin: string;
}

/** The configured token for the first login, as a person and as an origin. */
export const BOOTSTRAP = 'bootstrap';
export const UNKNOWN_ORIGIN = 'unknown';

export function tokenPerson(tokenId: string): string {
  return `token:${tokenId}`;
}

/** The id of the token that a person is named after. */
export function tokenIdOf(person: string): string | undefined {
  return person.startsWith('token:') ? person.slice('token:'.length) : undefined;
}

/** `issuer` is empty in records from before it was kept: the subject then counts as that of any issuer. */
export function subjectPerson(issuer: string, subject: string): string {
  return `oidc:${issuer} ${subject}`;
}

/**
 * Whether one person may stand behind both. With `independent` also when the same origin made both credentials, even if they are of
 * different persons, and whenever something about them is not known.
 */
export function maySamePerson(
  one: Partial<Standing>,
  other: Partial<Standing>,
  { independent }: { readonly independent: boolean },
): boolean {
  const names = [one.person, one.origin, other.person, other.origin];
  if (independent && names.some((name) => name === undefined || name === UNKNOWN_ORIGIN)) return true;
  if (equal(one.person, other.person) || equal(one.person, other.origin) || equal(one.origin, other.person))
    return true;
  return independent && equal(one.origin, other.origin);
}

function equal(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  if (one === other) return true;
  const [a, b] = [subjectOf(one), subjectOf(other)];
  return a !== undefined && b !== undefined && a.subject === b.subject && (a.issuer === '' || b.issuer === '');
}

function subjectOf(person: string): { readonly issuer: string; readonly subject: string } | undefined {
  const match = /^oidc:([^ ]*) (.*)$/s.exec(person);
  return match === null ? undefined : { issuer: match[1] ?? '', subject: match[2] ?? '' };
}

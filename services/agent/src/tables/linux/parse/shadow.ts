import { LEADING_BLANKS } from './accounts.js';

/** shadow(5). Numbers are days; -1 where there is none. */
export interface ShadowEntry {
  readonly username: string;
  readonly password: string;
  readonly last_change: number;
  readonly min: number;
  readonly max: number;
  readonly warning: number;
  readonly inactive: number;
  readonly expire: number;
  /** Empty where there is none. */
  readonly flag: string;
}

const LARGEST = 0xffff_ffffn;

/** Entries as the C library reads them (glibc, nss_files): what `getent shadow` prints. */
export function parseShadow(text: string): ShadowEntry[] {
  return text.split('\n').flatMap((raw): ShadowEntry[] => {
    const line = raw.replace(/\0.*$/, '').replace(LEADING_BLANKS, '');
    if (line === '' || line.startsWith('#')) return [];
    const [username = '', password, ...days] = line.split(':');
    if (password === undefined || days.length < 3) return [];
    const age = numbers(days.slice(0, 3));
    const rest = days.slice(3);
    // The old form ends here.
    const isShort = rest.length === 0 ? days[2] !== '' : rest.length === 1 && rest[0] === '';
    const later = isShort ? [-1, -1, -1] : numbers(rest.slice(0, 3));
    const [flag = '', ...excess] = rest.slice(3);
    const isWhole = isShort || rest.length > 3 || (rest.length === 3 && rest[2] !== '');
    if (age === undefined || later === undefined || !isWhole || excess.length > 0 || !/^\d*$/.test(flag)) return [];
    if (flag !== '' && BigInt(flag) > LARGEST) return [];
    const [last_change = -1, min = -1, max = -1] = age;
    const [warning = -1, inactive = -1, expire = -1] = later;
    return [{ username, password, last_change, min, max, warning, inactive, expire, flag }];
  });
}

/** strtoul(3), within 32 bits. `undefined` when the library does not take one of them. */
function numbers(fields: readonly string[]): number[] | undefined {
  const read = fields.map((field) => {
    if (field === '') return -1;
    const match = /^[ \t\v\f\r]*\+?(\d+)$/.exec(field);
    return match !== null && BigInt(match[1] ?? '') <= LARGEST ? Number(match[1]) | 0 : undefined;
  });
  return read.every((one) => one !== undefined) ? read : undefined;
}

/** osquery's words for the second field. */
export function passwordStatus(password: string): { password_status: string; hash_alg: string } {
  if (password === '') return { password_status: 'empty', hash_alg: '' };
  if (password === '!!') return { password_status: 'not_set', hash_alg: '' };
  if (/^[!*x]/.test(password)) return { password_status: 'locked', hash_alg: '' };
  return { password_status: 'active', hash_alg: /^\$(\w+)\$/.exec(password)?.[1] ?? '' };
}

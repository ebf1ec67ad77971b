/**
 * Accounts and groups as the C library reads them (glibc, nss_files): what `getent`, login and sudo take counts, however
 * odd its line is. Missing fields at the end are empty, blanks before a line and before a number do not matter.
 */

/** passwd(5) */
export interface Account {
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly description: string;
  readonly directory: string;
  readonly shell: string;
}

/** group(5) */
export interface Group {
  readonly groupname: string;
  readonly gid: number;
  readonly members: readonly string[];
}

export function parsePasswd(text: string): Account[] {
  return entries(text).flatMap((line): Account[] => {
    const [username = '', , uid, gid, description = '', directory = '', ...shell] = line.split(':');
    const ids = [idOf(uid), idOf(gid)] as const;
    if (ids[0] === undefined || ids[1] === undefined) return [];
    return [{ username, uid: ids[0], gid: ids[1], description, directory, shell: shell.join(':') }];
  });
}

export function parseGroup(text: string): Group[] {
  return entries(text).flatMap((line): Group[] => {
    const [groupname = '', , id, ...members] = line.split(':');
    const gid = idOf(id);
    if (gid === undefined) return [];
    const names = members.join(':').split(',');
    return [{ groupname, gid, members: names.map((name) => name.replace(LEADING_BLANKS, '')).filter(Boolean) }];
  });
}

/** isspace(3) in the C locale. */
export const LEADING_BLANKS = /^[ \t\v\f\r]+/;
const LARGEST_ID = 0xffff_ffffn;

/** Lines that are entries of this machine: no comments, and not those that point to NIS. */
function entries(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/\0.*$/, '').replace(LEADING_BLANKS, ''))
    .filter((line) => line !== '' && !/^[#+-]/.test(line));
}

/** strtoul(3), and no more than 32 bits. `undefined` where the library does not take the field. */
function idOf(field: string | undefined): number | undefined {
  const match = /^[ \t\v\f\r]*([+-]?)(\d+)$/.exec(field ?? '');
  if (match === null) return undefined;
  const value = BigInt(match[2] ?? '');
  if (value > MAX_ULONG) return undefined;
  // What is negative wraps around at 64 bits.
  const unsigned = match[1] === '-' ? BigInt.asUintN(64, -value) : value;
  return unsigned > LARGEST_ID ? undefined : Number(unsigned);
}

const MAX_ULONG = 0xffff_ffff_ffff_ffffn;

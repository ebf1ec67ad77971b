import type { CollectRequest } from '@muster/tables';
import type { System } from '../contract/system.js';
import { type Account, parsePasswd } from './parse/etc.js';

/** The local accounts, read once per statement. */
export function accounts(system: System, request: CollectRequest): readonly Account[] {
  return request.memo('accounts', () => parsePasswd(system.text('/etc/passwd') ?? ''));
}

/** Accounts with their own home folder, limited to the users that the statement names. */
export function homes(system: System, request: CollectRequest): readonly Account[] {
  const wanted = request.equal('uid');
  const seen = new Set<string>();
  return accounts(system, request).filter((account) => {
    const { directory, uid } = account;
    if (!directory.startsWith('/') || directory === '/' || seen.has(directory)) return false;
    if (wanted?.every((value) => value === uid) === false) return false;
    seen.add(directory);
    return system.isDirectory(directory);
  });
}

import type { ActionCall, ActionResult, ActionRunner } from '../contract/action.js';
import { failed, refused, succeeded, wouldDo } from '../contract/results.js';
import { settle } from '../contract/settle.js';
import { protectionReason } from './protected-files.js';
import { checkRestore, restoreItem } from './restore-item.js';
import { QuarantineStore, type QuarantineItem } from './quarantine-store.js';

/** `file.restore`: by item id, or the latest item of a path. */
export const restoreFile: ActionRunner = (call) =>
  settle(call, async () => {
    const item = await findItem(new QuarantineStore(call.host.dataDir), call);
    if (item === undefined) return failed('not_found', 'there is nothing in quarantine by that name');
    return runRestore(call, item);
  });

/** Restores the item. In a dry run, reports what would be done. */
export async function runRestore(call: ActionCall, item: QuarantineItem): Promise<ActionResult> {
  const { path } = item;
  call.host.touch(path);
  const why = protectionReason(path, NO_IDENTITY, call.host);
  if (why !== undefined) return refused('protected', `${path} is protected: ${why}`);
  const store = new QuarantineStore(call.host.dataDir);
  const blocked = await (call.dryRun ? checkRestore : restoreItem)(store, item, call.signal);
  if (blocked !== undefined) {
    return (REFUSED.has(blocked.code) ? refused : failed)(blocked.code, blocked.message);
  }
  const effect = `put ${path} (${item.size} bytes, SHA-256 ${item.sha256}) back from quarantine`;
  return call.dryRun ? wouldDo(`would restore ${path}`, [effect]) : succeeded(`restored ${path}`, [effect]);
}

async function findItem(
  store: QuarantineStore,
  { params: { item, path, sha256 } }: ActionCall,
): Promise<QuarantineItem | undefined> {
  if (typeof item === 'string') return store.find(item);
  const hash = typeof sha256 === 'string' ? sha256.toLowerCase() : undefined;
  const items = await store.list();
  return items.findLast((one) => one.path === path && (hash === undefined || one.sha256 === hash));
}

const REFUSED: ReadonlySet<string> = new Set(['exists', 'folder_moved']);
/** The file does not exist yet, so only the path is checked. */
const NO_IDENTITY = { dev: -1n, ino: -1n };

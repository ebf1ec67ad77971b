import type { ActionCall, ActionResult, ActionRunner } from '../contract/action.js';
import { failed, refused, succeeded, wouldDo } from '../contract/results.js';
import { settle } from '../contract/settle.js';
import { whyProtected } from './protected-files.js';
import { checkPutBack, putBack } from './restore-item.js';
import { Vault, type VaultItem } from './quarantine-store.js';

/** `file.restore`: by item, or the latest one from a path. */
export const restoreFile: ActionRunner = (call) =>
  settle(call, async () => {
    const item = await findItem(new Vault(call.host.dataDir), call);
    if (item === undefined) return failed('not_found', 'there is nothing in quarantine by that name');
    return restoreItem(call, item);
  });

/** Puts it back, or says what would be. */
export async function restoreItem(call: ActionCall, item: VaultItem): Promise<ActionResult> {
  const { path } = item;
  const why = whyProtected(path, NOWHERE, call.host);
  if (why !== undefined) return refused('protected', `${path} is protected: ${why}`);
  const vault = new Vault(call.host.dataDir);
  const blocked = await (call.dryRun ? checkPutBack : putBack)(vault, item, call.signal);
  if (blocked !== undefined) {
    return (REFUSED.has(blocked.code) ? refused : failed)(blocked.code, blocked.message);
  }
  const effect = `put ${path} (${item.size} bytes, SHA-256 ${item.sha256}) back from quarantine`;
  return call.dryRun ? wouldDo(`would restore ${path}`, [effect]) : succeeded(`restored ${path}`, [effect]);
}

async function findItem(vault: Vault, { params: { item, path, sha256 } }: ActionCall): Promise<VaultItem | undefined> {
  if (typeof item === 'string') return vault.find(item);
  const hash = typeof sha256 === 'string' ? sha256.toLowerCase() : undefined;
  const items = await vault.list();
  return items.findLast((one) => one.path === path && (hash === undefined || one.sha256 === hash));
}

const REFUSED: ReadonlySet<string> = new Set(['exists', 'folder_moved']);
/** No file: only the path counts for what is not there yet. */
const NOWHERE = { dev: -1n, ino: -1n };

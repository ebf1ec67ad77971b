import { createHash } from 'node:crypto';
import type { ActionCall, ActionResult, ActionRunner, Undoer } from '../contract/action.js';
import { failed, refused, succeeded, wouldDo } from '../contract/results.js';
import { keptText, said } from '../contract/call-values.js';
import { ActionStop, settle } from '../contract/settle.js';
import { copyContent } from './copy-content.js';
import { whyProtected } from './protected-files.js';
import { restoreItem } from './restore-file.js';
import { SourceFile } from './source-file.js';
import { Vault, type VaultItem } from './quarantine-store.js';

/**
 * `file.quarantine`. The file is copied, not moved, so that any file system will do, its content gets a new inode that nobody has open, and the
 * original goes only after the copy and its note are on the disk.
 */
export const quarantineFile: ActionRunner = (call) =>
  settle(call, async () => {
    const wanted = wantedFile(call);
    const source = await SourceFile.open(wanted.path);
    if ('code' in source) return (source.code === 'not_found' ? failed : refused)(source.code, source.message);
    try {
      refuseUnfit(call, source, wanted);
      return await (call.dryRun ? plan(call, source, wanted) : take(call, source, wanted));
    } finally {
      await source.close();
    }
  });

/** The undo of `file.quarantine`. */
export const undoQuarantine: Undoer = (call, kept) =>
  settle(call, async () => {
    const item = await new Vault(call.host.dataDir).find(keptText(kept, 'item') ?? '');
    if (item === undefined) return failed('not_kept', 'nothing is kept of it: it was put back, or never taken');
    return restoreItem(call, item);
  });

interface WantedFile {
  readonly path: string;
  readonly sha256: string | undefined;
  /** Columns of a row of `file`, as decimal text. */
  readonly columns: Readonly<Partial<Record<'inode' | 'size' | 'mtime', string>>>;
}

/** Hashes are compared in lower case. */
function wantedFile(call: ActionCall): WantedFile {
  const columns = ['inode', 'size', 'mtime'].map((key) => [key, said(call, key)] as const);
  return {
    path: said(call, 'path') ?? '',
    sha256: said(call, 'sha256')?.toLowerCase(),
    columns: Object.fromEntries(columns.filter(([, value]) => value !== undefined)),
  };
}

function refuseUnfit({ host }: ActionCall, { path, stats }: SourceFile, { columns }: WantedFile): void {
  const why = whyProtected(path, stats, host);
  if (why !== undefined) throw new ActionStop(refused('protected', `${path} is protected: ${why}`));
  const now = { inode: stats.ino, size: stats.size, mtime: stats.mtimeNs / 1_000_000_000n };
  for (const key of ['inode', 'size', 'mtime'] as const) {
    const then = columns[key];
    if (then === undefined || then === String(now[key])) continue;
    throw new ActionStop(refused('changed', `${path} is another file now: its ${key} was ${then} and is ${now[key]}`));
  }
}

async function plan(call: ActionCall, source: SourceFile, { sha256 }: WantedFile): Promise<ActionResult> {
  const content = await copyContent(source.handle, undefined, call.signal);
  refuseOther(source, sha256, content.sha256);
  await refuseFull(new Vault(call.host.dataDir), source);
  return wouldDo([`would quarantine ${source.path}`, ...otherNames(source)].join('; '), [
    `move ${source.path} (${content.size} bytes, SHA-256 ${content.sha256}) into quarantine`,
  ]);
}

async function take(call: ActionCall, source: SourceFile, { sha256 }: WantedFile): Promise<ActionResult> {
  const vault = new Vault(call.host.dataDir);
  await refuseFull(vault, source);
  const id = itemId(call);
  call.keepUndo({ item: id });
  const content = await vault.copyIn(id, source.handle, call.signal);
  try {
    refuseOther(source, sha256, content.sha256);
    if (!(await source.isUnchanged()))
      throw new ActionStop(failed('changed', `${source.path} changed while it was copied`));
    vault.keep(noteOf(call, id, source, content));
    call.signal.throwIfAborted();
    if (!(await source.remove())) {
      // Whoever may do that there may remove the file as well; what counts is to say so.
      throw new ActionStop(
        failed('changed', `something else was put in place of ${source.path}, and that is what was removed`),
      );
    }
  } catch (error) {
    await vault.remove(id);
    throw error;
  }
  return succeeded(`quarantined ${source.path}`, [
    `moved ${source.path} (${content.size} bytes, SHA-256 ${content.sha256}) into quarantine as item ${id}`,
    ...otherNames(source),
  ]);
}

/** The same command on the same target has the same item, so that undo finds it whatever happened in between. */
function itemId({ id, number }: ActionCall): string {
  return createHash('sha256').update(`${id}:${number}`).digest('hex').slice(0, 32);
}

function noteOf(
  call: ActionCall,
  id: string,
  source: SourceFile,
  content: { sha256: string; size: number },
): VaultItem {
  const { stats } = source;
  return {
    id,
    path: source.path,
    ...content,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    accessedMs: Number(stats.atimeNs / 1_000n) / 1_000,
    modifiedMs: Number(stats.mtimeNs / 1_000n) / 1_000,
    command: call.id,
    takenAtMs: call.host.clock.now(),
  };
}

function refuseOther({ path }: SourceFile, wanted: string | undefined, found: string): void {
  if (wanted === undefined || wanted === found) return;
  throw new ActionStop(refused('changed', `${path} has other content now: its SHA-256 is ${found}`));
}

async function refuseFull(vault: Vault, { path, stats }: SourceFile): Promise<void> {
  if (await vault.hasRoom(Number(stats.size))) return;
  throw new ActionStop(failed('no_space', `there is no room for the ${stats.size} bytes of ${path} in the quarantine`));
}

/** Hard links cannot be found short of reading the whole file system. */
function otherNames({ stats }: SourceFile): string[] {
  if (stats.nlink <= 1n) return [];
  return [`${stats.nlink - 1n} other name(s) of this file stay: inode ${stats.ino} on device ${stats.dev}`];
}

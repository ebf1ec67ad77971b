import { createHash } from 'node:crypto';
import type { ActionCall, ActionImplementations, ActionResult, ActionRunner, UndoRunner } from '../contract/action.js';
import { failed, refused, succeeded, wouldDo } from '../contract/results.js';
import { keptText, callText } from '../contract/call-values.js';
import { ActionStop, settle } from '../contract/settle.js';
import { copyContent } from './copy-content.js';
import { protectionReason } from './protected-files.js';
import { restoreFile, runRestore } from './restore-file.js';
import { SourceFile } from './source-file.js';
import { QuarantineStore, type QuarantineItem } from './quarantine-store.js';

/**
 * `file.quarantine`. Copies the file instead of moving it. This works across file systems, and the copy is a new inode
 * that nobody has open. The original is removed after the copy and its metadata are on disk.
 */
const quarantineFile: ActionRunner = (call) =>
  settle(call, async () => {
    const target = fileTarget(call);
    call.host.touch(target.path);
    const source = await SourceFile.open(target.path);
    if ('code' in source) return (source.code === 'not_found' ? failed : refused)(source.code, source.message);
    try {
      refuseUnfit(call, source, target);
      return await (call.dryRun ? plan(call, source, target) : take(call, source, target));
    } finally {
      await source.close();
    }
  });

/** The undo of `file.quarantine`. */
const undoQuarantine: UndoRunner = (call, kept) =>
  settle(call, async () => {
    const item = await new QuarantineStore(call.host.dataDir).find(keptText(kept, 'item') ?? '');
    if (item === undefined) return failed('not_kept', 'nothing is kept of it: it was put back, or never taken');
    return runRestore(call, item);
  });

/** The file actions of every platform. */
export const FILE_ACTIONS: ActionImplementations = {
  'file.quarantine': { run: quarantineFile, undo: undoQuarantine },
  'file.restore': { run: restoreFile },
};

interface FileTarget {
  readonly path: string;
  readonly sha256: string | undefined;
  /** Columns of a row of `file`, as decimal text. */
  readonly columns: Readonly<Partial<Record<'inode' | 'size' | 'mtime', string>>>;
}

/** Hashes are compared in lower case. */
function fileTarget(call: ActionCall): FileTarget {
  const columns = ['inode', 'size', 'mtime'].map((key) => [key, callText(call, key)] as const);
  return {
    path: callText(call, 'path') ?? '',
    sha256: callText(call, 'sha256')?.toLowerCase(),
    columns: Object.fromEntries(columns.filter(([, value]) => value !== undefined)),
  };
}

/** More cannot be read and hashed in the time of the action, holes included. */
const MAX_FILE_BYTES = 16n * 1024n ** 3n;

function refuseUnfit({ host }: ActionCall, { path, stats }: SourceFile, { columns }: FileTarget): void {
  if (stats.size > MAX_FILE_BYTES) {
    const sizes = `${stats.size} bytes (${stats.blocks * 512n} on disk)`;
    throw new ActionStop(refused('too_large', `${path} has ${sizes}; the quarantine takes ${MAX_FILE_BYTES} at most`));
  }
  const why = protectionReason(path, stats, host);
  if (why !== undefined) throw new ActionStop(refused('protected', `${path} is protected: ${why}`));
  const now = { inode: stats.ino, size: stats.size, mtime: stats.mtimeNs / 1_000_000_000n };
  for (const key of ['inode', 'size', 'mtime'] as const) {
    const then = columns[key];
    if (then === undefined || then === String(now[key])) continue;
    throw new ActionStop(refused('changed', `${path} is another file now: its ${key} was ${then} and is ${now[key]}`));
  }
}

async function plan(call: ActionCall, source: SourceFile, { sha256 }: FileTarget): Promise<ActionResult> {
  const content = await copyContent(source.handle, undefined, call.signal);
  refuseOther(source, sha256, content.sha256);
  await refuseFull(new QuarantineStore(call.host.dataDir), source);
  return wouldDo([`would quarantine ${source.path}`, ...hardLinkNotes(source)].join('; '), [
    `move ${source.path} (${content.size} bytes, SHA-256 ${content.sha256}) into quarantine`,
  ]);
}

async function take(call: ActionCall, source: SourceFile, { sha256 }: FileTarget): Promise<ActionResult> {
  const store = new QuarantineStore(call.host.dataDir);
  await refuseFull(store, source);
  const id = itemId(call);
  await call.keepUndo({ item: id });
  const content = await store.copyIn(id, source.handle, call.signal);
  try {
    refuseOther(source, sha256, content.sha256);
    if (!(await source.isUnchanged()))
      throw new ActionStop(failed('changed', `${source.path} changed while it was copied`));
    store.commit(metadataOf(call, id, source, content));
    call.signal.throwIfAborted();
    if (!(await source.remove())) {
      // Whoever replaced the file could have removed it as well. It only has to be reported.
      throw new ActionStop(
        failed('changed', `something else was put in place of ${source.path}, and that is what was removed`),
      );
    }
  } catch (error) {
    await store.remove(id);
    throw error;
  }
  return succeeded(`quarantined ${source.path}`, [
    `moved ${source.path} (${content.size} bytes, SHA-256 ${content.sha256}) into quarantine as item ${id}`,
    ...hardLinkNotes(source),
  ]);
}

/** The id depends only on command and target, so that the undo always finds the item. */
function itemId({ id, number }: ActionCall): string {
  return createHash('sha256').update(`${id}:${number}`).digest('hex').slice(0, 32);
}

function metadataOf(
  call: ActionCall,
  id: string,
  source: SourceFile,
  content: { sha256: string; size: number },
): QuarantineItem {
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

function refuseOther({ path }: SourceFile, target: string | undefined, found: string): void {
  if (target === undefined || target === found) return;
  throw new ActionStop(refused('changed', `${path} has other content now: its SHA-256 is ${found}`));
}

async function refuseFull(store: QuarantineStore, { path, stats }: SourceFile): Promise<void> {
  // Holes take no room.
  const onDisk = stats.blocks * 512n;
  const bytes = onDisk < stats.size ? onDisk : stats.size;
  if (await store.hasRoom(Number(bytes))) return;
  throw new ActionStop(failed('no_space', `there is no room for the ${bytes} bytes of ${path} in the quarantine`));
}

/** Finding the other hard links would need a scan of the whole file system. */
function hardLinkNotes({ stats }: SourceFile): string[] {
  if (stats.nlink <= 1n) return [];
  return [`${stats.nlink - 1n} other name(s) of this file stay: inode ${stats.ino} on device ${stats.dev}`];
}

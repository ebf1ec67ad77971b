import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ActionCall, ActionResult, UndoRunner } from '../contract/action.js';
import { failed, refused, succeeded, unchanged, wouldDo } from '../contract/results.js';
import { keptText, callText } from '../contract/call-values.js';
import { ActionStop, runOrStop, settle } from '../contract/settle.js';
import { SYSTEM32 } from '../../host/windows-programs.js';
import { rowsOf, runScript } from './powershell.js';
import { formatRegistryKey, parseRegistryKey, criticalReason, type RegistryKey } from './registry-path.js';

const REG = `${SYSTEM32}reg.exe`;

/** Reads the number of subkeys and values, and the time of the last write in Unix seconds (RegQueryInfoKey). */
export const READ_KEY = `Add-Type -Namespace Muster -Name Reg -MemberDefinition '[DllImport("advapi32.dll", CharSet = CharSet.Unicode)] public static extern int RegQueryInfoKeyW(Microsoft.Win32.SafeHandles.SafeRegistryHandle key, IntPtr a, IntPtr b, IntPtr c, IntPtr d, IntPtr e, IntPtr f, IntPtr g, IntPtr h, IntPtr i, IntPtr j, out long written);'; $hives = @{ HKEY_LOCAL_MACHINE = 'LocalMachine'; HKEY_USERS = 'Users'; HKEY_CURRENT_USER = 'CurrentUser'; HKEY_CURRENT_CONFIG = 'CurrentConfig'; HKEY_CLASSES_ROOT = 'ClassesRoot' }; $key = [Microsoft.Win32.RegistryKey]::OpenBaseKey($hives[$in.hive], 'Registry64').OpenSubKey($in.subkey); if ($key) { $w = [long]0; $z = [IntPtr]::Zero; $null = [Muster.Reg]::RegQueryInfoKeyW($key.Handle, $z, $z, $z, $z, $z, $z, $z, $z, $z, $z, [ref]$w); ConvertTo-Json -Compress @{ keys = $key.SubKeyCount; values = $key.ValueCount; mtime = [DateTimeOffset]::FromFileTime($w).ToUnixTimeSeconds() } }`;

/** `registry.delete_key`. Exports the key first, for the undo. */
export function deleteKey(call: ActionCall): Promise<ActionResult> {
  return settle(call, async () => {
    const key = wantedKey(call);
    const path = formatRegistryKey(key);
    const [found] = rowsOf(await runScript(call.host, READ_KEY, { ...key }));
    if (found === undefined) {
      return call.binding === undefined ? unchanged(`there is no key ${path}`) : refused('changed', `${path} is gone`);
    }
    const why = criticalReason(key) ?? call.host.protect.path(path);
    if (why !== undefined) return refused('protected', `${path} is protected: ${why}`);
    const mtime = callText(call, 'mtime');
    if (mtime !== undefined && Number(mtime) !== Number(found['mtime'])) {
      return refused('changed', `${path} was written to since it was seen`);
    }
    const below = Number(found['keys']);
    if (below > 0 && call.params['recursive'] !== true) {
      return refused('not_empty', `${path} has ${below} key(s) below it; recursive deletes those too`);
    }
    const effect = `${path} with ${below} key(s) and ${Number(found['values'])} value(s)`;
    if (call.dryRun) return wouldDo('1 key would be deleted', [`delete ${effect}`]);
    const file = await exportKey(call, path);
    call.signal.throwIfAborted();
    await runOrStop(call.host, REG, ['delete', path, '/f', '/reg:64']);
    return succeeded('1 key deleted', [`deleted ${effect}`, `kept it in ${file}`]);
  });
}

export const undoDeleteKey: UndoRunner = (call, kept) =>
  settle(call, async () => {
    const file = keptText(kept, 'file') ?? '';
    if (file === '' || !existsSync(file)) return failed('not_kept', 'nothing is kept of the key');
    if (call.dryRun) return wouldDo('1 key would be written back', [`import ${file}`]);
    const key = parseRegistryKey(keptText(kept, 'key') ?? '');
    if (key !== undefined && rowsOf(await runScript(call.host, READ_KEY, { ...key })).length > 0) {
      return refused('exists', `there is a key ${formatRegistryKey(key)} again; it is not overwritten`);
    }
    await runOrStop(call.host, REG, ['import', file, '/reg:64']);
    return succeeded('1 key written back', [`imported ${file}`]);
  });

async function exportKey(call: ActionCall, path: string): Promise<string> {
  const { host, id, number } = call;
  const folder = join(host.dataDir, 'registry');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${id.replace(/[^A-Za-z0-9_-]/g, '_')}-${number}.reg`);
  await runOrStop(host, REG, ['export', path, file, '/y', '/reg:64'], { timeoutMs: 20_000 });
  await call.keepUndo({ file, key: path });
  return file;
}

function wantedKey(call: ActionCall): RegistryKey {
  const path = callText(call, 'path') ?? '';
  const key = parseRegistryKey(path);
  if (key === undefined) throw new ActionStop(refused('bad_params', `${path} is not a key below a hive`));
  return key;
}

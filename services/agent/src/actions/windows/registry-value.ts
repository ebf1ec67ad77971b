import { createHash } from 'node:crypto';
import type { ActionCall, ActionResult, JsonValue, UndoRunner } from '../contract/action.js';
import { failed, refused, succeeded, unchanged, wouldDo } from '../contract/results.js';
import { callText } from '../contract/call-values.js';
import { ActionStop, settle } from '../contract/settle.js';
import { rowsOf, runScript } from './powershell.js';
import { formatRegistryKey, parseRegistryKey, type RegistryKey } from './registry-path.js';

const OPEN_KEY = `$hives = @{ HKEY_LOCAL_MACHINE = 'LocalMachine'; HKEY_USERS = 'Users'; HKEY_CURRENT_USER = 'CurrentUser'; HKEY_CURRENT_CONFIG = 'CurrentConfig'; HKEY_CLASSES_ROOT = 'ClassesRoot' }; $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey($hives[$in.hive], 'Registry64')`;

/** Reads a value unexpanded: `data` as JSON for the undo, `text` as the table shows it. */
export const READ_VALUE = `${OPEN_KEY}; $key = $base.OpenSubKey($in.subkey); if ($key -and $key.GetValueNames() -contains $in.name) { $kind = [string]$key.GetValueKind($in.name); $data = $key.GetValue($in.name, $null, 'DoNotExpandEnvironmentNames'); $text = switch ($kind) { 'Binary' { -join ($data | ForEach-Object { $_.ToString('X2') }) } 'MultiString' { $data -join ',' } 'DWord' { [string][BitConverter]::ToUInt32([BitConverter]::GetBytes([int]$data), 0) } 'QWord' { [string][BitConverter]::ToUInt64([BitConverter]::GetBytes([long]$data), 0) } default { [string]$data } }; ConvertTo-Json -Compress @{ kind = $kind; text = $text; data = @($data | ForEach-Object { [string]$_ }) } }`;

/** Deletes the value only if it is unchanged since it was read. */
export const DELETE_VALUE = `${OPEN_KEY}; $key = $base.OpenSubKey($in.subkey, $true); if (-not $key) { '"gone"' } else { $kind = [string]$key.GetValueKind($in.name); $data = $key.GetValue($in.name, $null, 'DoNotExpandEnvironmentNames'); $now = ConvertTo-Json -Compress @($data | ForEach-Object { [string]$_ }); if ($kind -ne $in.kind -or $now -ne (ConvertTo-Json -Compress @($in.data))) { '"changed"' } else { $key.DeleteValue($in.name); '"deleted"' } }`;

/** Writes a value only if it does not exist. */
export const WRITE_VALUE = `${OPEN_KEY}; $key = $base.CreateSubKey($in.subkey); if ($key.GetValueNames() -contains $in.name) { '"exists"' } else { $d = @($in.data); $v = switch ($in.kind) { 'Binary' { ,[byte[]]$d } 'MultiString' { ,[string[]]$d } 'DWord' { [int]$d[0] } 'QWord' { [long]$d[0] } default { [string]$d[0] } }; $key.SetValue($in.name, $v, $in.kind); '"written"' }`;

/** Type names of the table, by those of .NET. */
const TYPES: Readonly<Record<string, string>> = {
  String: 'REG_SZ',
  ExpandString: 'REG_EXPAND_SZ',
  Binary: 'REG_BINARY',
  DWord: 'REG_DWORD',
  MultiString: 'REG_MULTI_SZ',
  QWord: 'REG_QWORD',
  None: 'REG_NONE',
};

interface RegistryValue extends RegistryKey {
  /** Empty for the key's default value. */
  readonly name: string;
}

/** `registry.delete_value`. */
export function deleteValue(call: ActionCall): Promise<ActionResult> {
  return settle(call, async () => {
    const value = wantedValue(call);
    const path = `${formatRegistryKey(value)}\\${value.name === '' ? '(Default)' : value.name}`;
    const [found] = rowsOf(await runScript(call.host, READ_VALUE, { ...value }));
    if (found === undefined) {
      return call.binding === undefined
        ? unchanged(`there is no value ${path}`)
        : refused('changed', `${path} is gone`);
    }
    const fault = mismatchReason(call, found);
    if (fault !== undefined) return refused('changed', `${path} ${fault}`);
    const why = call.host.protect.path(path);
    if (why !== undefined) return refused('protected', why);
    const effect = `${path}, ${typeOf(found)}`;
    if (call.dryRun) return wouldDo('1 value would be deleted', [`delete ${effect}`]);
    const kept = { ...value, kind: String(found['kind']), data: textsOf(found['data']) };
    await call.keepUndo(kept);
    call.signal.throwIfAborted();
    const how = await runScript(call.host, DELETE_VALUE, kept);
    if (how === 'changed') return refused('changed', `${path} changed at this moment`);
    return succeeded('1 value deleted', [`deleted ${effect}`]);
  });
}

export const undoDeleteValue: UndoRunner = (call, kept) =>
  settle(call, async () => {
    const value = readKept(kept);
    if (value === undefined) return failed('not_kept', 'nothing is kept of the value');
    const path = `${String(value['hive'])}\\${String(value['subkey'])}\\${String(value['name'])}`;
    if (call.dryRun) return wouldDo('1 value would be written back', [`write ${path}`]);
    const how = await runScript(call.host, WRITE_VALUE, value);
    if (how === 'exists') return refused('exists', `there is a value ${path} again; it is not overwritten`);
    return succeeded('1 value written back', [`wrote ${path}`]);
  });

/** A row has key and name separately. In a path, the name follows the last backslash. */
function wantedValue(call: ActionCall): RegistryValue {
  const [path = '', boundKey, boundName] = ['path', 'key', 'name'].map((key) => callText(call, key));
  const at = path.lastIndexOf('\\');
  const [keyPath, name] =
    boundKey !== undefined && boundName !== undefined ? [boundKey, boundName] : [path.slice(0, at), path.slice(at + 1)];
  const key = parseRegistryKey(keyPath);
  if (key === undefined) throw new ActionStop(refused('bad_params', `${path} is not a value of a key`));
  return { ...key, name: name.toLowerCase() === '(default)' ? '' : name };
}

function mismatchReason(call: ActionCall, found: Readonly<Record<string, unknown>>): string | undefined {
  const [type, expected] = ['type', 'data_sha256'].map((key) => callText(call, key));
  if (type !== undefined && type !== typeOf(found)) return `is a ${typeOf(found)} now, not a ${type}`;
  if (expected === undefined) return undefined;
  const hash = createHash('sha256').update(String(found['text'])).digest('hex');
  return hash === expected.toLowerCase() ? undefined : `has other data now`;
}

function typeOf({ kind }: Readonly<Record<string, unknown>>): string {
  return TYPES[String(kind)] ?? String(kind);
}

function textsOf(data: unknown): string[] {
  return Array.isArray(data) ? data.map(String) : [String(data)];
}

function readKept(kept: JsonValue): Readonly<Record<string, unknown>> | undefined {
  return typeof kept === 'object' && kept !== null && 'subkey' in kept ? kept : undefined;
}

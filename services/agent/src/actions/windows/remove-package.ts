import type { ActionImplementation } from '../contract/action.js';
import { failed, refused, succeeded, unchanged, unsupported, wouldDo } from '../contract/results.js';
import { callText } from '../contract/call-values.js';
import { settle } from '../contract/settle.js';
import { SYSTEM32 } from '../../host/windows-programs.js';
import { rowsOf, runScript } from './powershell.js';

/** Finds installed programs, 64-bit and 32-bit. */
export const FIND_PROGRAMS = `$roots = 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\*', 'HKLM:\\SOFTWARE\\WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\*'; ConvertTo-Json -Compress @(Get-ItemProperty $roots -ErrorAction SilentlyContinue | Where-Object { $_.DisplayName -eq $in.name } | ForEach-Object { @{ name = $_.DisplayName; version = $_.DisplayVersion; publisher = $_.Publisher; code = $_.PSChildName; msi = [int]$_.WindowsInstaller } })`;

const PRODUCT_CODE = /^\{[0-9A-F]{8}-([0-9A-F]{4}-){3}[0-9A-F]{12}\}$/i;
/** An uninstallation must not be interrupted. */
const REMOVE_MS = 540_000;
/** Exit codes of msiexec: success, success with a restart pending, not installed. */
const DONE = 0;
const DONE_AFTER_RESTART = 3010;
const NOT_INSTALLED = 1605;

/**
 * `package.remove` for programs of Windows Installer. Other programs have an uninstaller with a command line of their
 * own, which would need a shell.
 */
export const removePackage: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const { host, binding } = call;
      if (binding !== undefined && !('identifying_number' in binding)) {
        return refused('bad_params', 'a row of programs is needed here');
      }
      const name = callText(call, 'name') ?? '';
      const rows = rowsOf(await runScript(host, FIND_PROGRAMS, { name }));
      const code = callText(call, 'identifying_number');
      const found = rows.filter((row) => code === undefined || sameText(row['code'], code));
      const [first, second] = found;
      if (first === undefined) {
        return binding === undefined
          ? unchanged(`${name} is not installed`)
          : refused('changed', `${name} is not installed any more`);
      }
      if (second !== undefined) return refused('ambiguous', `${found.length} programs are called ${name}`);
      for (const key of ['version', 'publisher'] as const) {
        const expected = callText(call, key);
        if (expected === undefined || expected === first[key]) continue;
        return refused('changed', `the ${key} of ${name} is ${String(first[key])}, not ${expected}`);
      }
      const why = host.protect.name(name) ?? (/^muster/i.test(name) ? 'it is the agent' : undefined);
      if (why !== undefined) return refused('protected', `${name} is protected: ${why}`);
      const product = String(first['code']);
      if (Number(first['msi']) !== 1 || !PRODUCT_CODE.test(product)) {
        return unsupported('no_installer', `${name} was not installed by Windows Installer`);
      }
      const what = `${name} ${String(first['version'])} (${product})`;
      if (call.dryRun) return wouldDo('1 program would be removed', [`remove ${what}`]);
      call.signal.throwIfAborted();
      const args = ['/x', product, '/qn', '/norestart'];
      const { code: exit } = await host.run(`${SYSTEM32}msiexec.exe`, args, { timeoutMs: REMOVE_MS });
      if (exit === NOT_INSTALLED) return unchanged(`${name} is not installed any more`);
      if (exit !== DONE && exit !== DONE_AFTER_RESTART) return failed('program_failed', `msiexec ended with ${exit}`);
      const later = exit === DONE_AFTER_RESTART ? ['the rest of it goes at the next restart'] : [];
      return succeeded('1 program removed', [`removed ${what}`, ...later]);
    }),
};

function sameText(a: unknown, b: unknown): boolean {
  return typeof a === 'string' && typeof b === 'string' && a.toLowerCase() === b.toLowerCase();
}

/** System programs are run by full path, because Windows searches the current folder first. */
export const SYSTEM32 = 'C:\\Windows\\System32\\';

export const POWERSHELL_PATH = `${SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe`;

/** The arguments before a script, which is the last one. */
export const POWERSHELL_OPTIONS: readonly string[] = [
  ...['-NoLogo', '-NoProfile', '-NonInteractive'],
  ...['-ExecutionPolicy', 'Bypass', '-Command'],
];

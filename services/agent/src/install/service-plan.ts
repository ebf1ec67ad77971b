export const MANAGERS = ['systemd', 'sysvinit', 'launchd', 'windows-task'] as const;
export type Manager = (typeof MANAGERS)[number];

/** What is installed, and where. Paths are those on the machine, also with `--root`. */
export interface Installation {
  /** The program (an absolute path) and its first arguments. */
  readonly program: readonly string[];
  readonly configFile: string;
  readonly dataDir: string;
  /** The service only answers queries, and gets only the rights for that. */
  readonly observe: boolean;
  /** The settings say that it records events of the kernel, and it gets the rights for that. */
  readonly events: boolean;
}

export interface ServiceFile {
  readonly path: string;
  readonly content: string | Buffer;
  readonly mode: number;
}

export type CommandLine = readonly [program: string, ...args: string[]];

/** The files and command lines of a service as data, so that they can be printed, tested and carried out. */
export interface ServicePlan {
  readonly files: readonly ServiceFile[];
  /** Run in this order after the files are written. */
  readonly install: readonly CommandLine[];
  /** Run before the files are removed; each may fail, because the service may be installed only in part. */
  readonly uninstall: readonly CommandLine[];
  /** Run after the files are removed. */
  readonly afterwards: readonly CommandLine[];
  /** Ends with 0 when the service runs. */
  readonly status: CommandLine;
}

/** The command line of the service. */
export function runLine({ program, configFile }: Installation): readonly string[] {
  return [...program, 'run', '--config', configFile];
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

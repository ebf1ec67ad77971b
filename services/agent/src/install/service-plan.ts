export const MANAGERS = ['systemd', 'sysvinit', 'launchd', 'windows-task'] as const;
export type Manager = (typeof MANAGERS)[number];

/** What is to run, and where its things are. Paths are those on the machine, whatever folder they are written below. */
export interface Installation {
  /** The program and its first arguments, absolute. */
  readonly program: readonly string[];
  readonly configFile: string;
  readonly dataDir: string;
  /** Answers queries only: the service gets the rights for that, and no others. */
  readonly observe: boolean;
}

export interface ServiceFile {
  readonly path: string;
  readonly content: string | Buffer;
  readonly mode: number;
}

export type CommandLine = readonly [program: string, ...args: string[]];

/** Everything that makes a service, as data: it is shown, tested and carried out from the same place. */
export interface ServicePlan {
  readonly files: readonly ServiceFile[];
  /** In this order, after the files are there. */
  readonly install: readonly CommandLine[];
  /** Before the files go; each may fail, for a service that is half there. */
  readonly uninstall: readonly CommandLine[];
  /** After the files are gone. */
  readonly afterwards: readonly CommandLine[];
  /** Ends with 0 when the service runs. */
  readonly status: CommandLine;
}

/** What the service is started with, the same everywhere. */
export function runLine({ program, configFile }: Installation): readonly string[] {
  return [...program, 'run', '--config', configFile];
}

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { getPriority, setPriority } from 'node:os';
import { closeSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerReply, WorkerRequest } from './messages.js';
import { NOTE_BYTES, NOTE_HEAD_BYTES, PAUSE_AT, STANDS_AT } from './path-note.js';

export interface WorkerProcessOptions {
  /** The arguments that make this program's executable a worker. */
  readonly args: readonly string[];
  /** The environment: what collectors and actions need to start the system's programs, and no secret. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the note of a process is created. It has no name there. */
  readonly folder: string;
}

/** How a worker process ended. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it printed. */
  readonly stderr: string;
  /** It could not be started. */
  readonly error?: Error;
}

/** Whoever uses the process at the moment. */
export interface WorkerUser {
  onMessage(reply: WorkerReply): void;
  onExit(exit: WorkerExit): void;
}

/** JavaScript's memory in a worker; SQLite's own is bounded by the engine. Enough for a table of a hundred thousand rows. */
const HEAP_MB = 128;
const STDERR_CHARS = 8_192;

/**
 * A process of this program that does what may hang: it touches files that are not the agent's own. A call of a file
 * system that does not answer cannot be ended, neither by the end of its thread nor by a signal, and it occupies one of
 * the few threads that Node has for files. In a process of its own it holds up nobody, and the agent can exit.
 */
export class WorkerProcess {
  readonly #child: ChildProcess | undefined;
  readonly #note: number | undefined;
  #stderr = '';
  #user: WorkerUser | undefined;
  readonly #onGone: () => void;
  #isGone = false;

  constructor({ args, env, folder }: WorkerProcessOptions, onGone: () => void) {
    this.#onGone = onGone;
    this.#note = openNote(folder);
    try {
      this.#child = spawn(process.execPath, args, {
        // Not the agent's own folder, which may be on a file system that is to be unmounted.
        cwd: process.platform === 'win32' ? undefined : '/',
        env: { ...env, NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc', this.#note ?? 'ignore'],
        serialization: 'advanced',
        windowsHide: true,
      });
      this.#listen(this.#child);
    } catch (error) {
      // Some faults, such as too little memory, are thrown.
      const fault = error instanceof Error ? error : new Error(String(error));
      setImmediate(() => this.#end({ code: null, signal: null, stderr: '', error: fault }));
    }
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Whom messages and the exit are for from now on; nobody while the process is idle. */
  use(user: WorkerUser | undefined): void {
    this.#user = user;
  }

  /** What cannot be sent is lost: the process has ended, and its exit follows. */
  send(request: WorkerRequest): void {
    if (this.#child?.connected === true) this.#child.send(request, () => {});
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Its statement stands still from the next row on, and takes no processor time. False where it cannot be told. */
  pause(): boolean {
    return this.#tellPause(1);
  }

  /** It goes on. False where it cannot be told, and stands still until it is. */
  resume(): boolean {
    return this.#isGone || this.#tellPause(0);
  }

  /** In the note: a process that runs a statement takes no messages. */
  #tellPause(flag: 0 | 1): boolean {
    if (this.#note === undefined || this.#isGone) return false;
    try {
      return writeSync(this.#note, Uint8Array.of(flag), 0, 1, PAUSE_AT) === 1;
    } catch {
      // The disk is full.
      return false;
    }
  }

  /** To that of the agent, where the agent may: only root can. */
  raisePriority(): void {
    try {
      setPriority(this.pid, getPriority());
    } catch {
      // It has ended, or goes on slowly.
    }
  }

  /** The path that the process touched last, or `undefined` when it touched none in its present task. */
  lastPath(): string | undefined {
    if (this.#note === undefined) return undefined;
    const buffer = Buffer.alloc(NOTE_BYTES);
    const length = readSync(this.#note, buffer, 0, NOTE_BYTES, 0);
    const end = buffer.subarray(0, length).indexOf(0, NOTE_HEAD_BYTES);
    return end > NOTE_HEAD_BYTES ? buffer.toString('utf8', NOTE_HEAD_BYTES, end) : undefined;
  }

  /** How many files, processes and the like its present work has looked at. */
  looked(): number {
    if (this.#note === undefined) return 0;
    const buffer = Buffer.alloc(NOTE_HEAD_BYTES);
    return readSync(this.#note, buffer, 0, NOTE_HEAD_BYTES, 0) < NOTE_HEAD_BYTES ? 0 : buffer.readDoubleLE(0);
  }

  /**
   * The path at which a process hangs that should compute: `undefined` while it does compute, or says that it stands
   * still. Only /proc tells of computing (proc(5), field 3 of stat); elsewhere the last path is taken.
   */
  hangsAt(): string | undefined {
    if (this.#standsStill()) return undefined;
    return process.platform === 'linux' && stateOf(this.pid) === 'R' ? undefined : this.lastPath();
  }

  /** What the process says itself: the flag of {@link pause} comes to it later, and goes earlier. */
  #standsStill(): boolean {
    if (this.#note === undefined || this.#isGone) return false;
    const said = new Uint8Array(1);
    return readSync(this.#note, said, 0, 1, STANDS_AT) === 1 && said[0] === 1;
  }

  #end(exit: WorkerExit): void {
    if (this.#isGone) return;
    this.#isGone = true;
    if (this.#note !== undefined) closeSync(this.#note);
    // The last output may come after the exit.
    this.#child?.stderr?.destroy();
    const user = this.#user;
    this.#user = undefined;
    this.#onGone();
    user?.onExit(exit);
  }

  #listen(child: ChildProcess): void {
    child.on('message', (reply: WorkerReply) => this.#user?.onMessage(reply));
    child.on('error', (error) => {
      if (child.pid === undefined) this.#end({ code: null, signal: null, stderr: this.#stderr, error });
    });
    // Not `close`: a program that an action started may keep the pipe open.
    child.once('exit', (code, signal) => this.#end({ code, signal, stderr: this.#stderr }));
    child.stderr?.setEncoding('utf8');
    child.stderr?.on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS)));
    // A worker does not keep the agent running.
    child.unref();
    child.channel?.unref();
    (child.stderr as { unref?: () => void } | null)?.unref?.();
  }
}

/** A file without a name. Where it cannot be created, messages name no path. */
function openNote(folder: string): number | undefined {
  const path = join(folder, `.${randomBytes(6).toString('hex')}.note`);
  try {
    const note = openSync(path, 'wx+', 0o600);
    rmSync(path, { force: true });
    return note;
  } catch {
    return undefined;
  }
}

function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2];
  } catch {
    return undefined;
  }
}

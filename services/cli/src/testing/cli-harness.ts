import { afterEach, beforeEach } from '@jest/globals';
import { runCli } from '../run.js';
import type { ExitCode } from '../terminal/cli-error.js';
import { FakeApi } from './fake-api.js';
import { fakeTerminal, type FakeTerminal, type FakeTerminalOptions } from './fake-terminal.js';

export interface CliHarness {
  readonly api: FakeApi;
  /** A terminal whose environment names the fake API. */
  readonly terminal: (options?: FakeTerminalOptions) => FakeTerminal;
  /** Runs one command to its end. */
  readonly muster: (args: readonly string[], options?: FakeTerminalOptions) => Promise<CliResult>;
}

export interface CliResult {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
  readonly asked: FakeTerminal['asked'];
}

/** A fake API, started anew for each test of a file, and the CLI that calls it. */
export function cliHarness(env: Readonly<Record<string, string>> = {}): CliHarness {
  const api = new FakeApi();
  beforeEach(() => api.start());
  afterEach(() => api.stop());
  const terminal = (options: FakeTerminalOptions = {}): FakeTerminal =>
    fakeTerminal({ ...options, env: { MUSTER_API_URL: api.url, ...env, ...options.env } });
  return {
    api,
    terminal,
    async muster(args, options) {
      const used = terminal(options);
      const code = await runCli(args, used);
      return { code, out: used.out(), err: used.err(), asked: used.asked };
    },
  };
}

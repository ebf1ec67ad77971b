import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from '@jest/globals';
import type { ActionPlatform } from '@muster/actions';
import type { ActionHost, ActionImplementation, ActionResult, JsonValue } from '../contract/action.js';
import { createActions } from '../create-actions.js';
import { POWERSHELL_PATH, SYSTEM32 } from '../../host/windows-programs.js';
import { scriptArgs } from '../windows/powershell.js';
import { playback, testCall, testHost, type RecordedRun, type TestCallOptions } from './action-harness.js';

/** A host with recorded programs and a data directory for each test. Call it at the top level of a test file. */
export function platformHarness(platform: ActionPlatform) {
  let dataDir = '';
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), `${platform}-`));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));
  const hostWith = (parts: Partial<ActionHost>): ActionHost =>
    testHost({ dataDir, platform, protects: ['Backup'], ...parts });
  return {
    dataDir: () => dataDir,
    hostWith,
    /** Runs an action and expects exactly the recorded programs. */
    play: async (
      recorded: readonly RecordedRun[],
      name: string,
      options: TestCallOptions,
      parts: Partial<ActionHost> & { readonly implementation?: ActionImplementation | undefined } = {},
    ): Promise<ActionResult & { kept: readonly JsonValue[] }> => {
      const { implementation, ...overrides } = parts;
      const run = playback(recorded);
      const host = hostWith({ run, ...overrides });
      const call = testCall(host, name, options);
      const result = await (implementation ?? createActions(host)).run(call);
      expect(run.rest).toEqual([]);
      return { ...result, kept: call.kept };
    },
    playUndo: async (recorded: readonly RecordedRun[], name: string, kept: JsonValue): Promise<ActionResult> => {
      const run = playback(recorded);
      const host = hostWith({ run });
      const call = testCall(host, 'undo', { params: { command: 'command1' }, id: 'command2' });
      const result = await createActions(host).undo(call, name, kept);
      expect(run.rest).toEqual([]);
      return result;
    },
  };
}

/** A recorded run of the program with this path. */
export function ran(argv: readonly string[], rest: Partial<RecordedRun> = {}): RecordedRun {
  return { argv, ...rest };
}

/** A recorded run of one of our scripts with its input and output. */
export function script(text: string, input: Readonly<Record<string, unknown>>, output?: unknown): RecordedRun {
  return {
    argv: [POWERSHELL_PATH, ...scriptArgs(text)],
    input: JSON.stringify(input),
    stdout: output === undefined ? '' : `${JSON.stringify(output)}\r\n`,
  };
}

/** A recorded run of a program of Windows. */
export function program(file: string, args: readonly string[], rest: Partial<RecordedRun> = {}): RecordedRun {
  return { argv: [`${SYSTEM32}${file}`, ...args], ...rest };
}

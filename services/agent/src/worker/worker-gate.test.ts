import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PAUSE_AT, STANDS_AT } from './path-note.js';
import { WorkerGate } from './worker-gate.js';

let folder: string;
let file: string;
const open: number[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-gate-'));
  file = join(folder, 'note');
  writeFileSync(file, Buffer.alloc(STANDS_AT + 1));
});
afterEach(() => {
  for (const fd of open.splice(0)) closeSync(fd);
  rmSync(folder, { recursive: true });
});

const openNote = (flags: string): number => {
  open.push(openSync(file, flags));
  return open.at(-1)!;
};
const tell = (pause: 0 | 1): number => writeSync(openNote('r+'), Uint8Array.of(pause), 0, 1, PAUSE_AT);

/** Passes a gate, and returns what the note says at each of its looks of the process. It may go on at the third one. */
function pass(flags: string): number[] {
  const said: number[] = [];
  let isPassing = false;
  const parent = (): number => {
    if (isPassing) said.push(readFileSync(file)[STANDS_AT]!);
    if (said.length === 3) tell(0);
    return 1;
  };
  const gate = new WorkerGate({ parent, end: () => undefined, fd: openNote(flags) });
  isPassing = true;
  gate.pass();
  return said;
}

test('whoever stands still says so, until it goes on', () => {
  tell(1);
  expect(pass('r+')).toEqual([0, 1, 1]);
  expect(readFileSync(file)[STANDS_AT]).toBe(0);
});

test('whoever cannot say so does not stand still', () => {
  tell(1);
  expect(pass('r')).toEqual([0]);
});

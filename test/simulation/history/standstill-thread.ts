import { writeSync } from 'node:fs';
import { Session, type Debugger } from 'node:inspector';
import { workerData } from 'node:worker_threads';
import { STANDSTILL } from '../world/program-errors.js';

/** What the thread is given. */
export interface Watched {
  /** First the seed, then how many histories have begun: it changes when the main thread goes on. */
  readonly progress: Int32Array;
  readonly mostMs: number;
}

const LOOK_MS = 250;
const MOST_STEPS = 50;
const { progress, mostMs } = workerData as Watched;
let seen = { histories: -1, atMs: 0 };

/** By processor time: a busy machine makes nothing late. */
const usedMs = (): number => process.cpuUsage().user / 1_000;

setInterval(() => {
  const [, histories = 0] = progress;
  if (histories !== seen.histories) seen = { histories, atMs: usedMs() };
  else if (usedMs() - seen.atMs > mostMs) tellWhere();
}, LOOK_MS);

/** Stops the main thread where it is, says so, and ends the process: what it does will never end. */
function tellWhere(): void {
  const session = new Session();
  session.connectToMainThread();
  const files = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => files.set(scriptId, url));
  let stepsLeft = MOST_STEPS;
  session.on('Debugger.paused', ({ params: { callFrames } }) => {
    const frames = callFrames.map((frame) => `    at ${frameText(frame, files)}`);
    // Between two promises nothing of ours runs.
    if (!frames.some(isOfProduct) && (stepsLeft -= 1) > 0) return session.post('Debugger.stepInto');
    const told = `  promises wait for one another, or a loop for nothing, for more than ${mostMs} ms of processor time:`;
    writeSync(1, [`seed ${progress[0]}`, `NOT TRUE: ${STANDSTILL}`, told, ...frames, ''].join('\n'));
    process.kill(process.pid, 'SIGKILL');
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}

const isOfProduct = (frame: string): boolean => /\((services|shared)\//.test(frame);

function frameText(frame: Debugger.CallFrame, files: ReadonlyMap<string, string>): string {
  const { scriptId, lineNumber } = frame.location;
  const file = (files.get(scriptId) ?? '').replace(/^.*\/(?=(?:services|shared|test)\/)/, '');
  return `${frame.functionName === '' ? 'a function' : frame.functionName} (${file}:${lineNumber + 1})`;
}

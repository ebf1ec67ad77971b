import { decodeBody, encodeBody, encodeFrame, FRAME, HEADER_BYTES } from '@muster/protocol';
import { makeMachine } from '../../simulator/machine/machine.js';
import { SqlAnswers } from '../../simulator/truth/sql-answers.js';

/** A question whose answer is about 200 bytes, the same on every machine of a uniform fleet. */
const SQL = "SELECT name, version, source, size FROM deb_packages WHERE arch = 'amd64' ORDER BY name LIMIT 5";

export interface BenchQuestion {
  readonly sql: string;
  /** The frames as they travel between gateway and agent; the floor moves as many bytes. */
  readonly questionFrame: Uint8Array;
  readonly answerFrame: Uint8Array;
}

/** The question of the bench, with its bytes as the product sends them. */
export async function benchQuestion(): Promise<BenchQuestion> {
  const answers = await SqlAnswers.create();
  const answer = answers.expected(makeMachine({ seed: 1, uniform: true, labels: {} }, 0), SQL);
  answers.close();
  const frame = answer.kind === 'rows' ? answer.frames(1)[0] : undefined;
  if (frame === undefined || frame.length <= HEADER_BYTES) throw new Error('the question of the bench has no answer');
  const budget = { ms: 10_000, rows: 10_000, bytes: 4_194_304 };
  const columns = ['name', 'version', 'source', 'size'];
  const id = `q${'0'.repeat(26)}`;
  const body = encodeBody('query', { id, sql: SQL, columns, remainingMs: 29_000, budget, credit: 20_000 });
  if (!decodeBody('query', body).ok) throw new Error('the question of the bench is malformed');
  return { sql: SQL, questionFrame: encodeFrame(FRAME.query, 1, body), answerFrame: frame };
}

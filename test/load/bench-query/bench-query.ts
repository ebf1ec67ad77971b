import { decodeBody, encodeBody, encodeFrame, FRAME, HEADER_BYTES } from '@muster/protocol';
import { makeMachine } from '../../simulator/machine/machine.js';
import { SqlAnswers } from '../../simulator/truth/sql-answers.js';

/** A query whose answer is about 200 bytes, the same on every machine of a uniform fleet. */
const SQL = "SELECT name, version, source, size FROM deb_packages WHERE arch = 'amd64' ORDER BY name LIMIT 5";

export interface BenchQuery {
  readonly sql: string;
  /** The frames between gateway and agent. The floor moves as many bytes. */
  readonly queryFrame: Uint8Array;
  readonly answerFrame: Uint8Array;
}

/** The query of the bench, with its frames as the product sends them. */
export async function benchQuery(): Promise<BenchQuery> {
  const answers = await SqlAnswers.create();
  const answer = answers.expected(makeMachine({ seed: 1, uniform: true, labels: {} }, 0), SQL);
  answers.close();
  const frame = answer.kind === 'rows' ? answer.frames(1)[0] : undefined;
  if (frame === undefined || frame.length <= HEADER_BYTES) throw new Error('the query of the bench has no answer');
  const budget = { ms: 10_000, rows: 10_000, bytes: 4_194_304 };
  const columns = ['name', 'version', 'source', 'size'];
  const id = `q${'0'.repeat(26)}`;
  const body = encodeBody('query', { id, sql: SQL, columns, remainingMs: 29_000, budget, credit: 20_000 });
  if (!decodeBody('query', body).ok) throw new Error('the query of the bench is malformed');
  return { sql: SQL, queryFrame: encodeFrame(FRAME.query, 1, body), answerFrame: frame };
}

import { ConnectionError } from './errors.js';
import { parseJson } from './transport.js';

/**
 * The JSON values of a streamed answer: lines of NDJSON, or the `data` of server-sent events. An unfinished last one is dropped: the
 * connection broke in it. Ends the connection when the reader stops.
 * @throws ConnectionError when it breaks or is silent for `silenceMs`, UnexpectedAnswer, the reason of `signal`
 */
export async function* jsonValues(
  response: Response,
  silenceMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  const lines = linesOf(textOf(response, silenceMs, signal));
  const isSse = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  for await (const text of isSse ? sseData(lines) : lines)
    if (text !== '') yield parseJson(text, 'the server sent an event that is no JSON');
}

/** The data of server-sent events (HTML Living Standard §9.2). Ids are not read: the data has them as `seq`. */
async function* sseData(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let data: string[] = [];
  for await (const line of lines) {
    if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    else if (line === '' && data.length > 0) {
      yield data.join('\n');
      data = [];
    }
  }
}

/** Lines of any length, without their ends. */
async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let begun: string[] = [];
  for await (const part of text) {
    const pieces = part.split('\n');
    const tail = pieces.pop() ?? '';
    for (const piece of pieces) {
      const line = begun.length === 0 ? piece : begun.join('') + piece;
      begun = [];
      yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
    if (tail !== '') begun.push(tail);
  }
}

/** The text of an answer, in parts as they come. @throws as {@link jsonValues} */
export async function* textOf(
  response: Response,
  silenceMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  if (response.body === null) return;
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, silenceMs);
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  silenceMs: number,
): Promise<{ done: boolean; value?: Uint8Array | undefined }> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConnectionError('timeout', 'the connection has been silent')), silenceMs);
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } catch (error) {
    if (error instanceof ConnectionError) throw error;
    throw new ConnectionError('cut', 'the connection broke while events were read', error);
  } finally {
    clearTimeout(timer);
  }
}

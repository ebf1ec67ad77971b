import type { Request, Response } from 'express';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '@muster/runtime';
import { DrainWriter } from './drain-writer.js';
import type { LinesAnswer } from './operation.js';

/** A reader that takes nothing for so long is disconnected. */
const STALL_MS = 60_000;
/** What is compressed at once. */
const BLOCK_LENGTH = 64 * 1_024;

/**
 * Writes the lines of a download no faster than the reader takes them, compressed where it takes that. Unlike a stream
 * of events it has an end that does not wait for anybody, so that a line may wait for its block to be full.
 */
export async function writeLines(
  answer: LinesAnswer,
  request: Request,
  response: Response,
  clock: Clock,
): Promise<void> {
  response.vary('Accept-Encoding');
  const isPacked = request.acceptsEncodings('gzip', 'identity') === 'gzip';
  if (isPacked) response.setHeader('content-encoding', 'gzip');
  if (request.method === 'HEAD') return void response.end();
  const writer = new DrainWriter(response, { clock, stallMs: STALL_MS });
  let isGone = false;
  const write = async (pieces: AsyncIterable<string | Uint8Array>): Promise<void> => {
    for await (const piece of pieces) {
      isGone = (await writer.write(piece)) !== 'written';
      if (isGone) return;
    }
    await writer.flush();
    response.end();
  };
  if (!isPacked) return write(answer.lines);
  try {
    await pipeline(Readable.from(blocks(answer.lines)), createGzip(), write);
  } catch (error) {
    // A reader that leaves is no fault; what is cut off by it ends with one.
    if (!isGone) throw error;
  }
}

async function* blocks(lines: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  let gathered: Uint8Array[] = [];
  let text = '';
  let length = 0;
  const take = (): Uint8Array => {
    if (text !== '') gathered.push(Buffer.from(text));
    const block = Buffer.concat(gathered);
    [gathered, text, length] = [[], '', 0];
    return block;
  };
  for await (const line of lines) {
    length += line.length;
    if (typeof line === 'string') text += line;
    else {
      if (text !== '') gathered.push(Buffer.from(text));
      text = '';
      gathered.push(line);
    }
    if (length >= BLOCK_LENGTH) yield take();
  }
  if (length > 0) yield take();
}

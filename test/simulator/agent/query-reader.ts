import { decodeBody, type QueryBody } from '@muster/protocol';

const STREAM_SUBJECTS = 16;

/**
 * Decodes QUERY bodies. A gateway sends the same bytes to all its agents, so the last few are cached: checking a body against its
 * schema costs as much as everything else that an agent does for a query.
 */
export class QueryReader {
  readonly #known: { readonly bytes: Buffer; readonly query: QueryBody | undefined }[] = [];

  read(body: Uint8Array): QueryBody | undefined {
    for (const { bytes, query } of this.#known) if (bytes.length === body.length && bytes.equals(body)) return query;
    const decoded = decodeBody('query', body);
    const query = decoded.ok ? decoded.body : undefined;
    this.#known.unshift({ bytes: Buffer.from(body), query });
    if (this.#known.length > STREAM_SUBJECTS) this.#known.pop();
    return query;
  }
}

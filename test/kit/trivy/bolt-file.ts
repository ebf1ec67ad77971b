/** Buckets and values by key, as bbolt keeps them. */
export interface BoltTree {
  readonly [key: string]: string | BoltTree;
}

const PAGE = 4_096;
const HEAD = 16;
const ELEMENT = 16;
const FLAG = { leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;
const IS_BUCKET = 1;
/** Pages 0 and 1 are meta pages, 2 the free list. */
const FIRST_PAGE = 3;

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly isBucket: boolean;
}

/**
 * A file of bbolt, version 2 (go.etcd.io/bbolt `page.go`, `db.go`): each bucket is one leaf, as many pages long as it
 * needs. Written once, to be read: trivy's database is such a file, and no library of npm writes one.
 */
export function boltFile(tree: BoltTree): Buffer {
  const pages: Buffer[] = [];
  let next = FIRST_PAGE;
  const addLeaf = (entries: readonly Entry[]): number => {
    const id = next;
    const page = leaf(entries, id);
    pages.push(page);
    next += page.length / PAGE;
    return id;
  };
  const entriesOf = (one: BoltTree): Entry[] =>
    Object.entries(one)
      .map(([name, value]): Entry => {
        const key = Buffer.from(name);
        if (typeof value === 'string') return { key, value: Buffer.from(value), isBucket: false };
        const bucket = Buffer.alloc(16);
        bucket.writeBigUInt64LE(BigInt(addLeaf(entriesOf(value))));
        return { key, value: bucket, isBucket: true };
      })
      .toSorted((a, b) => Buffer.compare(a.key, b.key));
  const root = addLeaf(entriesOf(tree));
  return Buffer.concat([
    meta(0, root, next),
    meta(1, root, next),
    header(Buffer.alloc(PAGE), 2, FLAG.freelist),
    ...pages,
  ]);
}

function header(page: Buffer, id: number, flag: number): Buffer {
  page.writeBigUInt64LE(BigInt(id), 0);
  page.writeUInt16LE(flag, 8);
  return page;
}

function leaf(entries: readonly Entry[], id: number): Buffer {
  let at = HEAD + entries.length * ELEMENT;
  const length = entries.reduce((sum, { key, value }) => sum + key.length + value.length, at);
  const pages = Math.max(1, Math.ceil(length / PAGE));
  const page = header(Buffer.alloc(pages * PAGE), id, FLAG.leaf);
  page.writeUInt16LE(entries.length, 10);
  page.writeUInt32LE(pages - 1, 12);
  for (const [i, { key, value, isBucket }] of entries.entries()) {
    const element = HEAD + i * ELEMENT;
    page.writeUInt32LE(isBucket ? IS_BUCKET : 0, element);
    page.writeUInt32LE(at - element, element + 4);
    page.writeUInt32LE(key.length, element + 8);
    page.writeUInt32LE(value.length, element + 12);
    key.copy(page, at);
    value.copy(page, at + key.length);
    at += key.length + value.length;
  }
  return page;
}

function meta(id: number, root: number, end: number): Buffer {
  const page = header(Buffer.alloc(PAGE), id, FLAG.meta);
  for (const [i, value] of [0xed0cdaed, 2, PAGE, 0].entries()) page.writeUInt32LE(value, HEAD + i * 4);
  // The root bucket, its sequence, the free list, the first page that is not there, the transaction.
  for (const [i, value] of [root, 0, 2, end, id].entries()) page.writeBigUInt64LE(BigInt(value), HEAD + 16 + i * 8);
  page.writeBigUInt64LE(fnv64a(page.subarray(HEAD, HEAD + 56)), HEAD + 56);
  return page;
}

function fnv64a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

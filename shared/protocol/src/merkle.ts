import { hash } from 'node:crypto';
import { encodeCbor } from './cbor.js';
import type { AgentId } from './ids.js';

/** What a command is bound to on one endpoint: the columns of a result row. Integers beyond 2^53 as decimal text. */
export type Binding = Readonly<Record<string, string | number | null>>;

/** One leaf: the agent, and its row if there is one. `number` is its position, from 1. */
export interface TargetLeaf {
  readonly number: number;
  readonly agentId: AgentId;
  readonly binding?: Binding;
}

/**
 * The Merkle tree over a command's targets, hashed as in RFC 9162 §2.1.1. A leaf is the SHA-256 of 0x00 and the entry; a node is the
 * SHA-256 of 0x01 and both halves. A list is split at the largest power of two below its length. The entry is the deterministic CBOR of
 * `[number, agentId, binding]`, with `null` where there is no binding.
 */
export class TargetTree {
  /** The hashes of each level in one buffer. Level 0 holds the leaves, the last level only the root. */
  readonly #levels: readonly Buffer[];

  private constructor(levels: readonly Buffer[]) {
    this.#levels = levels;
  }

  /** Builds the tree of targets in the order of their numbers. Throws `RangeError` when there are none. */
  static over(leaves: Iterable<TargetLeaf>): TargetTree {
    const slices = buildLevels(leaves);
    for (;;) {
      const step = slices.next();
      if (step.done === true) return new TargetTree(step.value);
    }
  }

  /** As `over`, but yields to the event loop every few milliseconds, since a large tree takes long. */
  static async overInSlices(leaves: Iterable<TargetLeaf>): Promise<TargetTree> {
    const slices = buildLevels(leaves);
    for (;;) {
      const step = slices.next();
      if (step.done === true) return new TargetTree(step.value);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  get root(): Uint8Array {
    return this.#levels.at(-1) as Buffer;
  }

  get size(): number {
    return (this.#levels[0]?.length ?? 0) / HASH_BYTES;
  }

  /** The sibling hashes from the leaf up to the root, 32 bytes each (RFC 9162 §2.1.3.1). */
  proof(number: number): Uint8Array {
    const path = Buffer.allocUnsafe((this.#levels.length - 1) * HASH_BYTES);
    let length = 0;
    let at = number - 1;
    for (const level of this.#levels) {
      const from = (at ^ 1) * HASH_BYTES;
      // A node at the end of its level, and the root, have no sibling.
      if (from < level.length) length += level.copy(path, length, from, from + HASH_BYTES);
      at >>= 1;
    }
    return path.subarray(0, length);
  }
}

/** Whether the leaf is in the tree of `size` leaves with this root (RFC 9162 §2.1.3.2). */
export function verifyTarget(
  leaf: TargetLeaf,
  tree: { readonly root: Uint8Array; readonly size: number },
  proof: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(leaf.number) || leaf.number < 1 || leaf.number > tree.size || proof.length % 32 !== 0) {
    return false;
  }
  let hash = leafHash(leaf);
  let at = 0;
  for (let index = leaf.number - 1, last = tree.size - 1; last > 0; index >>= 1, last >>= 1) {
    if (index === last && index % 2 === 0) continue;
    const neighbour = proof.subarray(at, at + 32);
    if (neighbour.length !== 32) return false;
    at += 32;
    hash = index % 2 === 1 ? nodeHash(neighbour, hash) : nodeHash(hash, neighbour);
  }
  return at === proof.length && hash.equals(tree.root);
}

/** Hashes per slice. */
const SLICE = 1_000;

/** The levels from the leaves up; yields after each slice. */
function* buildLevels(leaves: Iterable<TargetLeaf>): Generator<undefined, Buffer[]> {
  const hashes: Buffer[] = [];
  let hashed = 0;
  for (const leaf of leaves) {
    hashes.push(leafHash(leaf));
    if (++hashed % SLICE === 0) yield undefined;
  }
  if (hashes.length === 0) throw new RangeError('a tree needs a target');
  // One buffer per level: thousands of small objects would take six times the memory.
  let level = Buffer.concat(hashes);
  const levels = [level];
  while (level.length > HASH_BYTES) {
    const next = Buffer.allocUnsafeSlow(Math.ceil(level.length / HASH_BYTES / 2) * HASH_BYTES);
    for (let from = 0; from < level.length; from += 2 * HASH_BYTES) {
      const left = level.subarray(from, from + HASH_BYTES);
      const right = level.subarray(from + HASH_BYTES, from + 2 * HASH_BYTES);
      // A node without a sibling moves up unchanged, which gives the same tree as splitting from the top.
      next.set(right.length === 0 ? left : nodeHash(left, right), from / 2);
      if (++hashed % SLICE === 0) yield undefined;
    }
    levels.push(next);
    level = next;
  }
  return levels;
}

function leafHash({ number, agentId, binding }: TargetLeaf): Buffer {
  const entry = encodeCbor([number, agentId, binding ?? null]);
  const input = Buffer.allocUnsafe(1 + entry.length);
  input[0] = LEAF;
  input.set(entry, 1);
  return hash('sha256', input, 'buffer');
}

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  NODE_INPUT.set(left, 1);
  NODE_INPUT.set(right, 1 + HASH_BYTES);
  return hash('sha256', NODE_INPUT, 'buffer');
}

const HASH_BYTES = 32;
const LEAF = 0;
const NODE = 1;
/** Reused for each node. One `Hash` object per node would cost three times as much as the hashing, plus garbage collection. */
const NODE_INPUT = Buffer.alloc(1 + 2 * HASH_BYTES, NODE);

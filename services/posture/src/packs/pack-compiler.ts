import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import type { Pack } from '@muster/packs';
import { encodeChecks, type EncodedChecks } from '@muster/packs/checks';
import { PackLinter } from '@muster/packs/lint';
import { AppError } from '@muster/protocol';

/** More text than this is no pack, whatever it unpacks to. */
const TEXT_BYTES = 2 * 1024 * 1024;
const SHOWN_FAULTS = 20;

export interface CompiledPack {
  readonly pack: Pack;
  readonly encoded: EncodedChecks;
  /** SHA-256 of the text, hexadecimal. */
  readonly digest: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Reads packs that admins apply: the whole format, and whether all SQL compiles on this version's tables. */
export class PackCompiler {
  #linter: PackLinter | undefined;

  async start(): Promise<void> {
    this.#linter = await PackLinter.open();
  }

  stop(): void {
    this.#linter?.close();
  }

  /** @throws AppError `bad_pack` with its faults, `too_large` */
  compile(compressed: Uint8Array): CompiledPack {
    const text = textOf(compressed);
    const { pack, findings } = this.#lint(text);
    const faults = findings.filter(({ level }) => level === 'fault');
    if (pack !== undefined && faults.length === 0) return { pack, encoded: encode(pack), digest: sha256(text) };
    const shown = faults.slice(0, SHOWN_FAULTS);
    const lines = shown.map(
      ({ line, column, path, message }) => `${line}:${column} ${path === '' ? '' : `${path}: `}${message}`,
    );
    throw new AppError('bad_pack', `the pack has ${faults.length} faults: ${lines.slice(0, 3).join('; ')}`, {
      details: { faults: shown.map(({ line, column, path, message }) => ({ line, column, path, message })) },
    });
  }

  #lint(text: string): ReturnType<PackLinter['lint']> {
    if (this.#linter === undefined) throw new AppError('draining', 'the posture service is starting; try again');
    return this.#linter.lint(text);
  }
}

function textOf(compressed: Uint8Array): string {
  try {
    return inflateRawSync(compressed, { maxOutputLength: TEXT_BYTES }).toString('utf8');
  } catch (cause) {
    throw new AppError('too_large', `the text of the pack is over ${TEXT_BYTES} bytes, or cannot be unpacked`, {
      cause,
    });
  }
}

function encode(pack: Pack): EncodedChecks {
  try {
    return encodeChecks(pack.checks);
  } catch (cause) {
    if (cause instanceof RangeError) throw new AppError('too_large', `${pack.id}: ${cause.message}`, { cause });
    throw cause;
  }
}

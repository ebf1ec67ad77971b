import { statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import {
  digestOf,
  readFault,
  sleep,
  type Clock,
  type Component,
  type LogFields,
  type Logger,
  type Metrics,
  type Secret,
  type SecretFile,
  type Timer,
} from '@muster/runtime';

export interface FollowedSecretsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type Secrets = Readonly<Record<string, Secret<unknown> | undefined>>;
/** What the secrets of `S` hold. */
type Values<S extends Secrets> = {
  readonly [K in keyof S]: S[K] extends Secret<infer T>
    ? T
    : S[K] extends Secret<infer T> | undefined
      ? T | undefined
      : never;
};

/** Secrets that are taken together, because they must fit each other. */
interface Followed {
  readonly names: readonly string[];
  readonly files: readonly SecretFile<unknown>[];
  readonly apply: (values: Readonly<Record<string, unknown>>) => LogFields | undefined;
  values: Readonly<Record<string, unknown>>;
  /** Of each file, what is in force. */
  digests: readonly string[];
  /** What was last found wrong. */
  wrong?: { readonly digests: readonly string[]; readonly fault: string };
  told: string;
}

const CHECK_MS = 5_000;
/**
 * A file that changes is read once more after this time, and taken when it still is the same: one that is being written
 * may be valid, and not whole.
 */
const SETTLE_MS = 500;

/**
 * The secrets of a service that come from files (`*_FILE`). Their files are read every five seconds, and what has
 * changed is handed to its user, so that keys are rotated without a restart. Content counts, not the time of the file:
 * a changed symbolic link is seen too, as Kubernetes makes it.
 *
 * What cannot be read, is wrong, or does not fit to the secrets that belong to it, changes nothing: the last valid
 * content stays in force. A metric and the log say so, and the service stays ready.
 */
export class FollowedSecrets implements Component {
  readonly #options: FollowedSecretsOptions;
  readonly #followed: Followed[] = [];
  readonly #reloads;
  readonly #loaded;
  readonly #stopped = new AbortController();
  #isChecking = false;
  #timer: Timer | undefined;

  constructor(options: FollowedSecretsOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#reloads = metrics.counter({
      name: `muster_${metrics.service}_secret_reloads_total`,
      help: 'Changed files of secrets: taken, or found wrong at a check while what was read before stays in force.',
      labels: ['setting', 'result'],
    });
    this.#loaded = metrics.gauge({
      name: `muster_${metrics.service}_secret_loaded_timestamp_seconds`,
      help: 'When what is in force of the file of a secret was read, in seconds since 1970.',
      labels: ['setting'],
    });
  }

  /**
   * Hands the values of these secrets to `apply` after one of their files has changed, not for the first time. Those
   * that are no files keep their values. What `apply` throws leaves all of them as they were; what it returns is
   * logged.
   */
  follow<const S extends Secrets>(secrets: S, apply: (values: Values<S>) => LogFields | undefined): void {
    const entries = Object.entries(secrets).flatMap(([name, secret]) =>
      secret?.file === undefined || isNoFile(secret.file.path) ? [] : [{ name, file: secret.file }],
    );
    if (entries.length === 0) return;
    const files = entries.map(({ file }) => file);
    this.#followed.push({
      ...{ names: entries.map(({ name }) => name), files, told: '' },
      // Sound: `values` has what the secrets of S hold, and what their own parsers make later.
      apply: apply as Followed['apply'],
      values: Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [name, secret?.reveal()])),
      digests: files.map(({ digest }) => digest),
    });
    for (const { setting } of files) {
      for (const result of ['done', 'failed']) this.#reloads.inc({ setting, result }, 0);
      this.#loaded.set({ setting }, this.#options.clock.now() / 1_000);
    }
  }

  /** The value of a secret, as its file has it. */
  latest<T>(secret: Secret<T>): () => T {
    let value = secret.reveal();
    this.follow({ secret }, (values) => {
      value = values.secret;
      return undefined;
    });
    return () => value;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => void this.check(), CHECK_MS);
  }

  stop(): void {
    this.#stopped.abort();
    this.#options.clock.clear(this.#timer);
  }

  /** Looks at all files once. Never rejects. */
  async check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      await Promise.all(this.#followed.map((followed) => this.#checkOne(followed)));
    } finally {
      this.#isChecking = false;
    }
  }

  async #checkOne(followed: Followed): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.#takeChanged(followed);
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error);
      for (const { setting } of followed.files) this.#reloads.inc({ setting, result: 'failed' });
      if (fault !== followed.told) {
        logger.error('file of a secret cannot be reread; what was read before stays in force', { fault });
      }
      followed.told = fault;
    }
  }

  async #takeChanged(followed: Followed): Promise<void> {
    const { clock, logger } = this.#options;
    const texts = await readAll(followed);
    const digests = texts.map(digestOf);
    if (isSame(digests, followed.digests)) {
      followed.told = '';
      return;
    }
    if (followed.wrong !== undefined && isSame(digests, followed.wrong.digests)) throw new Error(followed.wrong.fault);
    if ((await sleep(clock, SETTLE_MS, this.#stopped.signal)) === 'aborted') return;
    if (!isSame((await readAll(followed)).map(digestOf), digests)) return;
    let detail: LogFields | undefined;
    try {
      const values = parseChanged(followed, texts, digests);
      detail = followed.apply(values);
      followed.values = values;
    } catch (error) {
      followed.wrong = { digests, fault: error instanceof Error ? error.message : String(error) };
      throw error;
    }
    const changed = followed.files.filter((_, index) => digests[index] !== followed.digests[index]);
    [followed.digests, followed.told] = [digests, ''];
    for (const { setting } of changed) {
      this.#reloads.inc({ setting, result: 'done' });
      this.#loaded.set({ setting }, clock.now() / 1_000);
    }
    logger.info('secret reread', { settings: changed.map(({ setting }) => setting), ...detail });
  }
}

function readAll({ files }: Followed): Promise<readonly string[]> {
  return Promise.all(files.map(readOne));
}

/** A pipe, for instance, is there once. */
function isNoFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === false;
}

async function readOne({ setting, path }: SecretFile<unknown>): Promise<string> {
  const isOf = `${setting}_FILE ${path}`;
  let isFile: boolean;
  try {
    // To read a pipe again would wait for ever.
    isFile = (await stat(path)).isFile();
    if (isFile) return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Error(`${isOf} cannot be read: ${readFault(cause)}`, { cause });
  }
  throw new Error(`${isOf} is no regular file`);
}

/** The values of all secrets, those of changed files parsed again. @throws Error with all faults. */
function parseChanged(
  { names, files, values, digests: before }: Followed,
  texts: readonly string[],
  digests: readonly string[],
): Readonly<Record<string, unknown>> {
  const faults: string[] = [];
  const changed: Record<string, unknown> = {};
  for (const [index, file] of files.entries()) {
    if (digests[index] === before[index]) continue;
    const name = names[index] ?? '';
    const parsed = file.parse(texts[index] ?? '', values[name]);
    if ('value' in parsed) changed[name] = parsed.value;
    else faults.push(`${file.setting}_FILE ${file.path} ${parsed.fault}`);
  }
  if (faults.length > 0) throw new Error(faults.join('; '));
  return { ...values, ...changed };
}

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.every((digest, index) => digest === b[index]);

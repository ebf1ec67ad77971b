import { z } from 'zod';
import { trustedProxies, type TrustedProxies } from './client-address.js';
import { BYTES_EXAMPLE, DURATION_EXAMPLE, parseBool, parseBytes, parseDurationMs } from './quantity.js';
import { Secret } from './secret.js';

/** How one environment variable becomes one value of a configuration. */
export interface Field<T> {
  readonly env: string;
  /** Parses the variable's text (trimmed, never empty). The messages of its issues are shown to people. */
  readonly schema: z.ZodType<unknown, string>;
  /** A valid value; every fault quotes it. */
  readonly example: string;
  /** What the value is when the variable is not set. Without it the variable must be set. */
  readonly fallback?: { readonly value: unknown };
  /** The value may also come from the file that `<env>_FILE` names, and is never printed. This reads the text of that file again. */
  readonly secret?: Parse<unknown>;
  /** Carries T for the compiler; never present. */
  readonly type?: T;
}

/** `default` is the value of a variable that is not set; `optional` makes that value `undefined`. Without both it must be set. */
export interface FieldOptions<T> {
  readonly default?: T;
  readonly optional?: boolean;
  readonly example?: string;
}

/** The value type of a field of type T with options O. */
type Value<T, O> = O extends { optional: true } ? T | undefined : T;

/** The result of a parser of secret documents. */
type ParsedSecret = { readonly ok: true } | { readonly ok: false; readonly fault: string };
type Accepted<P extends ParsedSecret> = Extract<P, { readonly ok: true }>;

/** `before` is what it made of the text that was read before. */
type Parse<T> = (text: string, before?: T) => { readonly value: T } | { readonly fault: string };

const schemaOf = <T>(parse: Parse<T>): z.ZodType<T, string> =>
  z.string().transform((text, context) => {
    const parsed = parse(text);
    if ('value' in parsed) return parsed.value;
    context.issues.push({ code: 'custom', message: parsed.fault, input: text });
    return z.NEVER;
  });

function makeField<T, O extends FieldOptions<T>>(
  env: string,
  options: O | undefined,
  kind: { schema: z.ZodType<T, string>; example: string; secret?: Parse<unknown> },
): Field<Value<T, O>> {
  const hasFallback = options?.default !== undefined || options?.optional === true;
  return {
    env,
    schema: kind.schema,
    example: options?.example ?? kind.example,
    ...(kind.secret === undefined ? {} : { secret: kind.secret }),
    ...(hasFallback ? { fallback: { value: options?.default } } : {}),
  };
}

const wholeNumber =
  (min: number, max: number): Parse<number> =>
  (text) => {
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? { value } : { fault: `must be a whole number from ${min} to ${max}` };
  };

function parseUrl(protocols: readonly string[] | undefined): Parse<string> {
  return (text) => {
    if (!URL.canParse(text)) return { fault: 'must be a URL' };
    const protocol = new URL(text).protocol.slice(0, -1);
    if (protocols !== undefined && !protocols.includes(protocol)) {
      return { fault: `must be a URL that starts with ${protocols.map((name) => `${name}://`).join(' or ')}` };
    }
    return { value: text };
  };
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  nats: 4222,
  tls: 4222,
  redis: 6379,
  rediss: 6379,
  http: 8080,
};

const exampleOrigin = ([protocol = 'https']: readonly string[] = []): string =>
  `${protocol}://127.0.0.1:${DEFAULT_PORTS[protocol] ?? 8443}`;

const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/**
 * The kinds of configuration values. Each takes the variable's name first:
 *
 *     field.port('MUSTER_GATEWAY_PORT', { default: 8443 })
 *     field.durationMs('MUSTER_GATEWAY_SESSION_AGE', { default: 3_600_000, min: 1_000 })
 *     field.secret('MUSTER_API_BOOTSTRAP_TOKEN', { optional: true })
 */
export const field = {
  /** Any text that is not empty. */
  text<const O extends FieldOptions<string> & { pattern?: RegExp; expect?: string }>(env: string, options?: O) {
    const parse: Parse<string> = (text) =>
      options?.pattern === undefined || options.pattern.test(text)
        ? { value: text }
        : { fault: options?.expect ?? `must match ${options.pattern.source}` };
    return makeField<string, O>(env, options, { schema: schemaOf(parse), example: 'some-text' });
  },

  /** A TCP port; 0 means any free one. */
  port<const O extends FieldOptions<number>>(env: string, options?: O) {
    return makeField<number, O>(env, options, { schema: schemaOf(wholeNumber(0, 65_535)), example: '8443' });
  },

  /** A whole number; from 0 unless `min` says otherwise. */
  int<const O extends FieldOptions<number> & { min?: number; max?: number }>(env: string, options?: O) {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = options ?? {};
    return makeField<number, O>(env, options, {
      schema: schemaOf(wholeNumber(min, max)),
      example: String(options?.default ?? Math.max(min, 1)),
    });
  },

  /** A length of time in milliseconds, written `250ms`, `30s`, `5m`, `1h`, `2d` or as plain milliseconds. */
  durationMs<const O extends FieldOptions<number> & { min?: number; max?: number }>(env: string, options?: O) {
    const { min = 0, max = 2 ** 31 - 1 } = options ?? {};
    return makeField<number, O>(env, options, {
      schema: schemaOf((text) =>
        inRange(parseDurationMs(text), { min, max, unit: ' ms', form: 'duration such as 30s or 5m' }),
      ),
      example: DURATION_EXAMPLE,
    });
  },

  /** An amount of bytes, written `512`, `64KiB`, `4MiB`, `1GiB` (or `kB`, `MB`, `GB`, powers of ten). */
  bytes<const O extends FieldOptions<number> & { min?: number; max?: number }>(env: string, options?: O) {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = options ?? {};
    return makeField<number, O>(env, options, {
      schema: schemaOf((text) =>
        inRange(parseBytes(text), { min, max, unit: ' bytes', form: 'size such as 64KiB or 4MiB' }),
      ),
      example: BYTES_EXAMPLE,
    });
  },

  /** `true`, `yes`, `on`, `1` or their opposites. */
  bool<const O extends FieldOptions<boolean>>(env: string, options?: O) {
    const parse: Parse<boolean> = (text) => {
      const value = parseBool(text);
      return value === undefined ? { fault: 'must be true or false' } : { value };
    };
    return makeField<boolean, O>(env, options, { schema: schemaOf(parse), example: 'true' });
  },

  /** A URL, kept as text. `protocols` without the colon: `['nats', 'tls']`. */
  url<const O extends FieldOptions<string> & { protocols?: readonly string[] }>(env: string, options?: O) {
    const { protocols } = options ?? {};
    return makeField<string, O>(env, options, {
      schema: schemaOf(parseUrl(protocols)),
      example: exampleOrigin(protocols),
    });
  },

  /** URLs between commas, at least one. */
  urls<const O extends FieldOptions<readonly string[]> & { protocols?: readonly string[] }>(env: string, options?: O) {
    const one = parseUrl(options?.protocols);
    const parse: Parse<readonly string[]> = (text) => {
      const value = splitList(text);
      if (value.length === 0) return { fault: 'must have at least one URL' };
      for (const item of value) {
        const parsed = one(item);
        if ('fault' in parsed) return { fault: `each of the list ${parsed.fault}` };
      }
      return { value };
    };
    return makeField<readonly string[], O>(env, options, {
      schema: schemaOf(parse),
      example: exampleOrigin(options?.protocols),
    });
  },

  /** Texts between commas; blanks around them and empty ones are dropped. */
  list<const O extends FieldOptions<readonly string[]>>(env: string, options?: O) {
    const parse: Parse<readonly string[]> = (text) => ({ value: splitList(text) });
    return makeField<readonly string[], O>(env, options, { schema: schemaOf(parse), example: 'one,two' });
  },

  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed; default none. */
  proxies(env: string) {
    const parse: Parse<TrustedProxies> = (text) => {
      try {
        return { value: trustedProxies(splitList(text)) };
      } catch (error) {
        return { fault: error instanceof Error ? error.message : String(error) };
      }
    };
    return makeField<TrustedProxies, { default: TrustedProxies }>(
      env,
      { default: trustedProxies([]) },
      { schema: schemaOf(parse), example: '10.0.0.0/8,127.0.0.1' },
    );
  },

  oneOf<const V extends string, const O extends FieldOptions<V>>(env: string, values: readonly V[], options?: O) {
    const parse: Parse<V> = (text) => {
      const value = values.find((candidate) => candidate === text);
      return value === undefined ? { fault: `must be one of ${values.join(', ')}` } : { value };
    };
    return makeField<V, O>(env, options, { schema: schemaOf(parse), example: values[0] ?? '' });
  },

  /**
   * A secret, from the variable or from the file that `<env>_FILE` names (without its last line break). `check` returns its
   * fault, which must not quote it.
   */
  secret<const O extends FieldOptions<Secret> & { check?: (text: string) => string | undefined }>(
    env: string,
    options?: O,
  ) {
    return secretField<string, O>(env, options, (text) => {
      const fault = options?.check?.(text);
      return fault === undefined ? { value: text } : { fault };
    });
  },

  /**
   * A secret document, such as a set of keys: `reveal()` returns what `parse` made of the text.
   * A fault of `parse` must not quote the text. When a file has changed, `parse` also gets what it made of it before.
   */
  parsedSecret<P extends ParsedSecret, const O extends FieldOptions<Secret<Accepted<P>>>>(
    env: string,
    parse: (text: string, before?: Accepted<P>) => P,
    options?: O,
  ) {
    return secretField<Accepted<P>, O>(env, options, (text, before) => {
      const parsed = parse(text, before);
      return parsed.ok ? { value: parsed as Accepted<P> } : parsed;
    });
  },

  /** A value that a zod schema parses from the text; its messages are shown unchanged. */
  custom<T, const O extends FieldOptions<T> & { example: string }>(
    env: string,
    schema: z.ZodType<T, string>,
    options: O,
  ) {
    return makeField<T, O>(env, options, { schema, example: options.example });
  },
};

function secretField<T, O extends FieldOptions<Secret<T>>>(env: string, options: O | undefined, parse: Parse<T>) {
  const schema = schemaOf<Secret<T>>((text) => {
    const parsed = parse(text);
    return 'value' in parsed ? { value: new Secret(parsed.value) } : parsed;
  });
  const example = `or ${env}_FILE=/run/secrets/${env.toLowerCase()}`;
  return makeField<Secret<T>, O>(env, options, { schema, example, secret: parse as Parse<unknown> });
}

function inRange(
  value: number | undefined,
  range: { min: number; max: number; unit: string; form: string },
): { value: number } | { fault: string } {
  if (value === undefined) return { fault: `must be a ${range.form}` };
  if (value < range.min) return { fault: `must be at least ${range.min}${range.unit}` };
  if (value > range.max) return { fault: `must be at most ${range.max}${range.unit}` };
  return { value };
}

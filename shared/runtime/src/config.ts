import { readFileSync } from 'node:fs';
import type { Field } from './field.js';
import { readFault } from './read-fault.js';
import { digestOf, Secret } from './secret.js';

/** The environment, as `process.env` gives it. */
export type Env = Readonly<Record<string, string | undefined>>;

type Fields = Readonly<Record<string, Field<unknown>>>;
type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** One fault of one variable. It never contains the value of a secret. */
export interface ConfigFault {
  readonly name: string;
  readonly fault: string;
  readonly example?: string;
}

/** All faults of a configuration. The message is a list for people. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    super(['The configuration has faults:', ...faults.map(describeFault)].join('\n'));
    this.faults = faults;
  }
}

export interface ConfigDefinition<F extends Fields = Fields> {
  /** Variables with this prefix that belong to no field are reported as warnings: they are probably misspelt. */
  readonly prefix: string;
  readonly fields: F;
  /** Conditions across fields; called only when every field is valid. */
  readonly check?: (config: Values<F>) => readonly ConfigFault[];
}

/** The type of the configuration that a definition describes. */
export type ConfigOf<D> = D extends ConfigDefinition<infer F> ? Values<F> : never;

export type ConfigResult<C> =
  | { readonly ok: true; readonly config: C; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly error: ConfigError; readonly warnings: readonly string[] };

/** Gives a definition its exact type. */
export function defineConfig<const F extends Fields>(definition: ConfigDefinition<F>): ConfigDefinition<F> {
  return definition;
}

/**
 * Reads a configuration from an environment. It never throws; all faults are in the error that it returns. Its only effect is
 * reading the files of `*_FILE` variables. An empty variable counts as not set, because compose files and Helm charts
 * produce them.
 */
export function loadConfig<F extends Fields>(
  definition: ConfigDefinition<F>,
  env: Env,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): ConfigResult<Values<F>> {
  const warnings = unknownVariables(definition, env);
  const faults: ConfigFault[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(definition.fields)) {
    const text = readText(field, env, readFile);
    if ('fault' in text) faults.push({ name: text.name, fault: text.fault, example: field.example });
    else if (text.value === undefined) {
      if (field.fallback) values[key] = field.fallback.value;
      else faults.push({ name: field.env, fault: 'is not set', example: field.example });
    } else {
      const parsed = field.schema.safeParse(text.value);
      if (parsed.success) values[key] = withFile(parsed.data, field, text.file);
      else faults.push({ name: field.env, fault: faultOf(field, text.value, parsed.error), example: field.example });
    }
  }
  // Sound: every key of F was filled by its own field's schema or fallback, or there is a fault.
  const config = values as Values<F>;
  if (faults.length === 0) faults.push(...(definition.check?.(config) ?? []));
  return faults.length === 0 ? { ok: true, config, warnings } : { ok: false, error: new ConfigError(faults), warnings };
}

/** A configuration for the log: secrets are hidden, and user and password are removed from URLs. */
export function printableConfig(config: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, printable(value)]));
}

function printable(value: unknown): unknown {
  if (value instanceof Secret) return String(value);
  if (Array.isArray(value)) return value.map(printable);
  return typeof value === 'string' ? value.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/\s]*@/gi, '$1[secret]@') : value;
}

/** What the file of a secret held. */
interface ReadFile {
  readonly path: string;
  readonly text: string;
}

type Text =
  { readonly value: string | undefined; readonly file?: ReadFile } | { readonly name: string; readonly fault: string };

function readText(field: Field<unknown>, env: Env, readFile: (path: string) => string): Text {
  const direct = env[field.env]?.trim() || undefined;
  const fileVariable = `${field.env}_FILE`;
  const path = field.secret === undefined ? undefined : env[fileVariable]?.trim() || undefined;
  if (path === undefined) return { value: direct };
  if (direct !== undefined) return { name: fileVariable, fault: `is set, and so is ${field.env}; keep one of them` };
  try {
    const text = readFile(path);
    const value = text.trim();
    return value === ''
      ? { name: fileVariable, fault: `names an empty file, ${path}` }
      : { value, file: { path, text } };
  } catch (error) {
    return { name: fileVariable, fault: `names ${path}, which cannot be read (${readFault(error)})` };
  }
}

/** A secret that came from a file remembers it, and how it is read. */
function withFile(value: unknown, { env, secret: parse }: Field<unknown>, file: ReadFile | undefined): unknown {
  if (!(value instanceof Secret) || parse === undefined || file === undefined) return value;
  return new Secret<unknown>(value.reveal(), {
    setting: env,
    path: file.path,
    digest: digestOf(file.text),
    parse: (text, before) => (text.trim() === '' ? { fault: 'is empty' } : parse(text.trim(), before)),
  });
}

function faultOf(field: Field<unknown>, text: string, error: { issues: readonly { message: string }[] }): string {
  const reasons = error.issues.map((issue) => issue.message).join('; ');
  return field.secret !== undefined ? reasons : `is ${JSON.stringify(text)} but ${reasons}`;
}

function describeFault({ name, fault, example }: ConfigFault): string {
  return `  ${name} ${fault}${example === undefined ? '' : ` (for example: ${example})`}`;
}

function unknownVariables(definition: { prefix: string; fields: Fields }, env: Env): string[] {
  const known = new Set<string>();
  for (const field of Object.values(definition.fields)) {
    known.add(field.env);
    if (field.secret !== undefined) known.add(`${field.env}_FILE`);
  }
  return Object.keys(env)
    .filter((name) => name.startsWith(definition.prefix) && !known.has(name))
    .sort()
    .map((name) => `${name} is set, but no setting has that name`);
}

import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isCollection,
  isNode,
  Lexer,
  LineCounter,
  Parser,
  visit,
} from 'yaml';
import { YAML_LIMITS, type YamlLimits } from './limits.js';

/** A place in a text, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a document. `path` names the value, such as `checks[3].sql`; empty for the whole. */
export interface Fault extends Place {
  readonly path: string;
  readonly message: string;
}

/** A path of keys and indexes. */
export type ValuePath = readonly PropertyKey[];

export interface YamlDocument {
  readonly value: unknown;
  /** Where the value of a path begins; of the nearest value above it when there is none. */
  readonly placeOf: (path: ValuePath) => Place;
  /** Where the key of a pair stands. */
  readonly placeOfKey: (path: ValuePath, key: string) => Place;
  /** The place of a line and column inside a text of several lines (`|`). `undefined` when the text is written in another way. */
  readonly placeInText: (path: ValuePath, place: Place) => Place | undefined;
}

export type ReadYaml =
  | { readonly ok: true; readonly documents: readonly YamlDocument[] }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** More than these say nothing more. */
const MAX_FAULTS = 50;

/**
 * Reads YAML 1.2 of unknown origin. Bounded in bytes, depth, nodes and aliases before any value is made; a value that
 * contains itself, a key given twice, and an unknown tag are faults. Returns all documents of the text.
 */
export function readYaml(text: string, limits: YamlLimits = YAML_LIMITS): ReadYaml {
  if (new TextEncoder().encode(text).length > limits.bytes)
    return refused({ line: 1, column: 1 }, `the text has more than ${limits.bytes} bytes`);
  const long = tokensOver(text, limits.tokens);
  if (long !== undefined) return refused(long, `the text has more than ${limits.tokens} words and marks of YAML`);
  const lines = new LineCounter();
  const tokens: CST.Token[] = [];
  const measure = new Measure(limits);
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    const fault = measure.over(token);
    if (fault !== undefined) return refused(placeAt(lines, fault.offset), fault.message);
    tokens.push(token);
  }
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    uniqueKeys: measure.nodes < 20_000,
    lineCounter: lines,
  });
  const documents = [...composer.compose(tokens, true, text.length)];
  const faults = documents.flatMap((document) => faultsOf(document, lines)).slice(0, MAX_FAULTS);
  if (faults.length > 0) return { ok: false, faults };
  try {
    return { ok: true, documents: documents.map((document) => readable(document, lines, text, limits.aliases)) };
  } catch (error) {
    // Aliases of nothing, and those that repeat each other without end.
    if (error instanceof ReferenceError) return refused({ line: 1, column: 1 }, error.message);
    throw error;
  }
}

function refused(place: Place, message: string): ReadYaml {
  return { ok: false, faults: [{ ...place, path: '', message }] };
}

/**
 * The place where the text has more tokens than it may. The parser returns a document as a whole, which may take long;
 * the lexer does not.
 */
function tokensOver(text: string, limit: number): Place | undefined {
  let count = 0;
  let line = 1;
  for (const token of new Lexer().lex(text)) {
    count += 1;
    if (count > limit) return { line, column: 1 };
    if (token.includes('\n')) line += token.split('\n').length - 1;
  }
  return undefined;
}

/** Counts depth, nodes and aliases of tokens, without recursion. */
class Measure {
  nodes = 0;
  #aliases = 0;
  readonly #limits: YamlLimits;

  constructor(limits: YamlLimits) {
    this.#limits = limits;
  }

  over(root: CST.Token): { offset: number; message: string } | undefined {
    const open: { token: CST.Token; depth: number }[] = [{ token: root, depth: 0 }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { token, depth } = next;
      this.nodes += 1;
      if (token.type === 'alias') this.#aliases += 1;
      const message = this.#message(depth);
      if (message !== undefined) return { offset: 'offset' in token ? token.offset : 0, message };
      if (token.type === 'document') {
        if (token.value !== undefined) open.push({ token: token.value, depth });
      } else if ('items' in token) {
        for (const item of token.items) {
          if (item.key !== undefined && item.key !== null) open.push({ token: item.key, depth: depth + 1 });
          if (item.value !== undefined) open.push({ token: item.value, depth: depth + 1 });
        }
      }
    }
    return undefined;
  }

  #message(depth: number): string | undefined {
    const { depth: deepest, nodes, aliases } = this.#limits;
    if (depth > deepest) return `lists and maps are nested more than ${deepest} deep`;
    if (this.nodes > nodes) return `the text has more than ${nodes} values`;
    if (this.#aliases > aliases) return `the text has more than ${aliases} aliases`;
    return undefined;
  }
}

function faultsOf(document: Document.Parsed, lines: LineCounter): Fault[] {
  const faults = [...document.errors, ...document.warnings].map(({ message, pos: [offset] }) => ({
    ...placeAt(lines, offset),
    path: '',
    // The library repeats the place and the line below its message.
    message: message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? message,
  }));
  return faults.length > 0 ? faults : circles(document, lines);
}

/** An alias inside the value that it repeats. */
function circles(document: Document.Parsed, lines: LineCounter): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Alias(_key, alias, above) {
      const source = alias.resolve(document);
      if (source !== undefined && above.includes(source))
        faults.push({
          ...placeAt(lines, alias.range?.[0] ?? 0),
          path: '',
          message: `the value "${alias.source}" contains itself`,
        });
    },
  });
  return faults;
}

function readable(document: Document.Parsed, lines: LineCounter, text: string, aliases: number): YamlDocument {
  const nodeOf = (path: ValuePath): unknown => {
    let node: unknown = document.contents;
    for (const key of path) {
      const source = isAlias(node) ? node.resolve(document) : node;
      const inner = isCollection(source) ? source.get(key, true) : undefined;
      if (!isNode(inner)) break;
      node = inner;
    }
    return node;
  };
  const placeOf = (path: ValuePath): Place => {
    const node = nodeOf(path);
    return placeAt(lines, isNode(node) ? (node.range?.[0] ?? 0) : 0);
  };
  return {
    value: document.toJS({ maxAliasCount: aliases }) as unknown,
    placeOf,
    placeOfKey: (path, key) => {
      const node = nodeOf(path);
      const items: readonly unknown[] = isCollection(node) ? node.items : [];
      const pair = items.find((item) => keyOf(item)?.value === key);
      const offset = keyOf(pair)?.range?.[0];
      return offset === undefined ? placeOf(path) : placeAt(lines, offset);
    },
    placeInText: (path, place) => placeInBlock(nodeOf(path), place, lines, text),
  };
}

interface KeyNode {
  readonly value?: unknown;
  readonly range?: readonly number[] | null;
}

function keyOf(item: unknown): KeyNode | undefined {
  return typeof item === 'object' && item !== null && 'key' in item ? (item.key as KeyNode) : undefined;
}

/** A block of `|` has its lines as they are, each with the same indent. */
function placeInBlock(node: unknown, { line, column }: Place, lines: LineCounter, text: string): Place | undefined {
  if (!isNode(node) || !('type' in node) || node.type !== 'BLOCK_LITERAL') return undefined;
  if (node.range === undefined || node.range === null) return undefined;
  const head = placeAt(lines, node.range[0]);
  const source = text.slice(node.range[0], node.range[1]).split('\n');
  const indent = /^ */.exec(source.slice(1).find((one) => one.trim() !== '') ?? '')?.[0].length ?? 0;
  return { line: head.line + line, column: indent + column };
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

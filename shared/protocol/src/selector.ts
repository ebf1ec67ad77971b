import { LIMITS } from './limits.js';
import { AppError } from './errors.js';

/** One requirement of a selector. `in` and `notin` cover `=`, `==` and `!=` too; `*` in a value stands for any text. */
export type Requirement =
  | { readonly kind: 'in' | 'notin'; readonly key: string; readonly values: readonly string[] }
  | { readonly kind: 'exists' | 'absent'; readonly key: string }
  | { readonly kind: 'gt' | 'lt'; readonly key: string; readonly bound: number };

/** All requirements must hold. An empty list selects everything. */
export type Selector = readonly Requirement[];

export type ParsedSelector =
  | { readonly ok: true; readonly selector: Selector }
  | { readonly ok: false; readonly message: string; readonly offset: number };

const TOKEN = /\s*(?:(==|!=|=|!|,|\(|\)|>|<)|([A-Za-z0-9*][-A-Za-z0-9_./*]*)|$)/y;

interface Token {
  readonly text: string;
  readonly symbol: boolean;
  readonly offset: number;
}

class SelectorFault extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/**
 * Parses Kubernetes label-selector syntax: `os=linux,env in (prod,staging),!quarantined,cores>4`. As there, `!=` and
 * `notin` also hold where the label is absent. Unlike there, `*` in a value stands for any text: `host=app-*`. The
 * fault names the character at which the text stopped making sense.
 */
export function parseSelector(text: string): ParsedSelector {
  if (text.length > LIMITS.selectorBytes)
    return { ok: false, message: 'the selector is too long', offset: LIMITS.selectorBytes };
  try {
    return { ok: true, selector: new SelectorParser(tokenize(text), text.length).parse() };
  } catch (fault) {
    if (fault instanceof SelectorFault) return { ok: false, message: fault.message, offset: fault.offset };
    throw fault;
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length;) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) {
      const offset = at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
      throw new SelectorFault(`unexpected "${String.fromCodePoint(text.codePointAt(offset) ?? 32)}"`, offset);
    }
    const token = match[1] ?? match[2];
    if (token === undefined) break;
    tokens.push({ text: token, symbol: match[1] !== undefined, offset: TOKEN.lastIndex - token.length });
  }
  return tokens;
}

class SelectorParser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #at = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  parse(): Selector {
    const requirements: Requirement[] = [];
    while (this.#at < this.#tokens.length) {
      requirements.push(this.#requirement());
      if (this.#at === this.#tokens.length) break;
      this.#symbol(',');
      if (this.#at === this.#tokens.length) throw new SelectorFault('a requirement must follow ","', this.#end);
    }
    return requirements;
  }

  #requirement(): Requirement {
    if (this.#accept('!')) return { kind: 'absent', key: this.#word('a label name') };
    const key = this.#word('a label name');
    const next = this.#tokens[this.#at];
    if (next === undefined || next.text === ',') return { kind: 'exists', key };
    this.#at += 1;
    switch (next.text) {
      case '=':
      case '==':
        return { kind: 'in', key, values: [this.#value()] };
      case '!=':
        return { kind: 'notin', key, values: [this.#value()] };
      case 'in':
      case 'notin':
        return { kind: next.text, key, values: this.#list() };
      case '>':
        return { kind: 'gt', key, bound: this.#integer() };
      case '<':
        return { kind: 'lt', key, bound: this.#integer() };
      default:
        throw new SelectorFault(`expected an operator (=, !=, in, notin, >, <) before "${next.text}"`, next.offset);
    }
  }

  #list(): string[] {
    this.#symbol('(');
    const values = [this.#value()];
    while (this.#accept(',')) values.push(this.#value());
    this.#symbol(')');
    return values;
  }

  #value(): string {
    const token = this.#tokens[this.#at];
    // `key=` and `key in (a,)` contain the empty value, as in Kubernetes.
    if (token === undefined || token.symbol) return '';
    this.#at += 1;
    return token.text;
  }

  #integer(): number {
    const offset = this.#tokens[this.#at]?.offset ?? this.#end;
    const word = this.#word('a whole number');
    if (!/^\d{1,15}$/.test(word)) throw new SelectorFault(`"${word}" is not a whole number`, offset);
    return Number(word);
  }

  #word(what: string): string {
    const token = this.#tokens[this.#at];
    if (token === undefined || token.symbol) throw new SelectorFault(`expected ${what}`, token?.offset ?? this.#end);
    const star = token.text.indexOf('*');
    if (star >= 0) throw new SelectorFault('"*" may stand in values only', token.offset + star);
    this.#at += 1;
    return token.text;
  }

  #symbol(text: string): void {
    if (!this.#accept(text)) {
      const token = this.#tokens[this.#at];
      throw new SelectorFault(
        `expected "${text}"${token === undefined ? '' : ` before "${token.text}"`}`,
        token?.offset ?? this.#end,
      );
    }
  }

  #accept(text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token === undefined || !token.symbol || token.text !== text) return false;
    this.#at += 1;
    return true;
  }
}

/** Whether a selector matches an endpoint. `valueOf` returns the endpoint's label values. */
export function selectorMatches(selector: Selector, valueOf: (key: string) => string | undefined): boolean {
  return selector.every((requirement) => requirementHolds(requirement, valueOf(requirement.key)));
}

function requirementHolds(requirement: Requirement, value: string | undefined): boolean {
  switch (requirement.kind) {
    case 'in':
      return value !== undefined && requirement.values.some((wanted) => isLike(wanted, value));
    case 'notin':
      return value === undefined || !requirement.values.some((wanted) => isLike(wanted, value));
    case 'exists':
      return value !== undefined && !isOffline(requirement.key, value);
    case 'absent':
      return value === undefined || isOffline(requirement.key, value);
    case 'gt':
      return isInteger(value) && Number(value) > requirement.bound;
    case 'lt':
      return isInteger(value) && Number(value) < requirement.bound;
  }
}

/** An endpoint that is not connected has no mode, and is found by `mode=offline` too. */
const isOffline = (key: string, value: string): boolean => key === 'mode' && value === 'offline';

/** Whether a value is the wanted one, in which `*` stands for any text. Its time grows with the product of both lengths at most. */
function isLike(wanted: string, value: string): boolean {
  if (wanted === value) return true;
  if (!wanted.includes('*')) return false;
  let at = 0;
  let place = 0;
  // Where the last star is, and up to where it has taken the value.
  let star = -1;
  let taken = 0;
  while (place < value.length) {
    if (wanted[at] === '*') {
      star = at;
      at += 1;
      taken = place;
    } else if (wanted[at] === value[place]) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      at = star + 1;
      taken += 1;
      place = taken;
    } else return false;
  }
  while (wanted[at] === '*') at += 1;
  return at === wanted.length;
}

function isInteger(value: string | undefined): boolean {
  return value !== undefined && /^-?\d+$/.test(value);
}

/** Joins selectors by AND. Takes and returns text, because selectors travel as text. Empty ones select everything. */
export function joinSelectors(...texts: readonly (string | undefined)[]): string {
  return texts.filter((text): text is string => text !== undefined && text.trim() !== '').join(',');
}

/** Whether a selector names `health`, the built-in label that telemetry services alone know. */
export function usesHealth(selector: Selector): boolean {
  return selector.some(({ key }) => key === HEALTH);
}

/** The requirements that the others know. */
export function withoutHealth(selector: Selector): Selector {
  return selector.filter(({ key }) => key !== HEALTH);
}

/** Those that telemetry services know. */
export function healthRequirements(selector: Selector): Selector {
  return selector.filter(({ key }) => key === HEALTH);
}

const HEALTH = 'health';

/**
 * The selector of a request, joined with the one that bounds its operator. With `isHealthKnown` the result lacks the
 * requirements on `health`: a set of endpoints stands for them. Without it they are refused, and in a bound always.
 * @throws AppError `bad_selector`; its details name the faulty one, `selector` or `bound`, and the offset in it.
 */
export function boundedSelector(
  selector: string,
  bound: string,
  isHealthKnown = false,
): { readonly text: string; readonly selector: Selector } {
  const text = joinSelectors(selector, bound);
  let joined: Selector = [];
  for (const [field, which, each] of [
    ['selector', '', selector],
    // The operator cannot correct this one: it belongs to the token.
    ['bound', 'the selector that bounds this operator: ', bound],
    ['selector', 'together with the one that bounds this operator: ', text],
  ] as const) {
    const parsed = parseSelector(each);
    if (!parsed.ok) {
      throw new AppError('bad_selector', which + parsed.message, { details: { field, offset: parsed.offset } });
    }
    if (usesHealth(parsed.selector) && (field === 'bound' || !isHealthKnown))
      throw new AppError('bad_selector', `${which}health cannot be selected by here`, {
        details: { field, offset: 0 },
      });
    joined = parsed.selector;
  }
  return { text, selector: withoutHealth(joined) };
}

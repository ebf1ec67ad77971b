import { Pair, Scalar, type Document, type YAMLMap, type YAMLSeq } from 'yaml';

/**
 * Template code within YAML that is still a document. Each piece of code stands there as a mark, which is replaced when
 * the text is made: so comments and layout of the source stay as they are.
 *
 * In code, `%IN%` is the indentation of its line, and `%IN2%` two columns more.
 */
export class Marks {
  readonly #code: string[] = [];

  /** Code in the place of a value. */
  value(code: string): Scalar {
    const scalar = new Scalar(`MARK${this.#code.push(code) - 1}MARK`);
    scalar.type = Scalar.PLAIN;
    return scalar;
  }

  /** Code as lines of their own, at the end of a mapping or before one of its keys. */
  lines(map: YAMLMap, code: string, before?: string): void {
    const pair = new Pair(this.#line(code), null);
    const at = before === undefined ? -1 : map.items.findIndex(({ key }) => String(key) === before);
    map.items.splice(at === -1 ? map.items.length : at, 0, pair);
  }

  /** Code as lines of their own, at the end of a sequence. */
  item(seq: YAMLSeq, code: string): void {
    seq.items.push(this.#line(code));
  }

  /** The text of a document, with its code. */
  text(document: Document): string {
    const text = document.toString({ lineWidth: 0, singleQuote: true, nullStr: '', flowCollectionPadding: false });
    return text
      .split('\n')
      .map((line) => this.#replace(line))
      .join('\n');
  }

  #line(code: string): Scalar {
    const scalar = new Scalar(`LINE${this.#code.push(code) - 1}LINE`);
    scalar.type = Scalar.PLAIN;
    return scalar;
  }

  #replace(line: string): string {
    const whole = /^( *)(?:[-?] )?LINE(\d+)LINE:? *$/.exec(line);
    if (whole !== null) {
      const indent = whole[1] ?? '';
      return indented(this.#code[Number(whole[2])] ?? '', indent.length)
        .split('\n')
        .map((one) => indent + one)
        .join('\n');
    }
    const indent = /^ *(?:- )?/.exec(line)?.[0].length ?? 0;
    return line
      .replace(/(: )?MARK(\d+)MARK/g, (_, colon: string | undefined, index: string) => {
        const code = indented(this.#code[Number(index)] ?? '', indent);
        // A block that begins on the next line takes the space with it.
        return code.startsWith('{{-') ? `${colon === undefined ? '' : ':'} ${code}` : `${colon ?? ''}${code}`;
      })
      .trimEnd();
  }
}

function indented(code: string, indent: number): string {
  return code.replaceAll('%IN%', String(indent)).replaceAll('%IN2%', String(indent + 2));
}

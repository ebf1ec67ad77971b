/** Expressions that call osquery's functions and collations with odd arguments. */
export function randomExpressions(random: () => number, rounds: number): string[] {
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  const one = <T>(values: readonly T[]): T => values[upTo(values.length - 1)] as T;
  const many = (values: readonly string[], most: number): string =>
    Array.from({ length: upTo(most) }, () => one(values)).join('');
  const version = (): string => many(VERSION_PIECES, 6);
  const address = (): string =>
    one([
      Array.from({ length: 4 }, () => one([0, 1, 10, 255, 127, 192, 168])).join('.'),
      Array.from({ length: 8 }, () => one(['0', '1', 'fe80', 'ffff'])).join(':'),
      `fe80::${upTo(9)}`,
      ...['::1', '::', '::ffff:1.2.3.4', '1.2.3', 'x'],
    ]);
  return Array.from({ length: rounds }, () => {
    const left = version();
    const right = random() < 0.4 ? left.slice(0, upTo(left.length)) + version().slice(0, 2) : version();
    const number = one(NUMBERS);
    const words = many(['a', 'b', ' ', ',', '.', '\t'], 9);
    const pair = `${quote(left)}, ${quote(right)}`;
    return [
      `version_compare(${pair}${one(['', ", 'ARCH'", ", 'DPKG'", ", 'RHEL'"])})`,
      `(${quote(left)} < ${quote(right)} COLLATE ${one(['version', 'version_arch', 'version_dpkg', 'version_rhel'])})`,
      `in_cidr_block('${address()}/${one([0, 1, 8, 9, 24, 30, 31, 32, 33, 64, 96, 127, 128, 129])}', '${address()}')`,
      `community_id_v1('${address()}', '${address()}', ${one(PORTS)}, ${one(PORTS)}, ${one([1, 6, 17, 58, 132, 255, 256])})`,
      `inet_aton('${address()}')`,
      `soundex(${quote(many(LETTERS, 8))})`,
      `hex(from_base64(${quote(many(BASE64, 9))}))`,
      `to_base64(${number})`,
      `conditional_to_base64(${quote(words)})`,
      `${one(MATH)}(${number})`,
      `power(${number}, ${one(['0', '1', '-1', '2', '0.5', "'2'"])})`,
      `split(${quote(words)}, ${quote(one([',', '.', ',.', ' ', 'b']))}, ${one(INDEXES)})`,
      `regex_split(${quote(words)}, ${quote(one([',', '[.,]+', 'a+', '(b)', '[[:space:]]', 'a|b']))}, ${one(INDEXES)})`,
      `regex_match(${quote(words)}, ${quote(one(['(a)(b)?', '[^[:space:]]+', 'a*', '^b', 'b$', '[.,]{2}', '(a)|(b)']))}, ${one(INDEXES)})`,
      `parent_directory(${quote(many(['a', '/', 'b', '.'], 6))})`,
      `concat(${number}, ${quote(words)}, NULL)`,
      `concat_ws(${one(['1', 'NULL', "','"])}, ${number}, ${quote(words)}, NULL)`,
    ];
  }).flat();
}

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const VERSION_PIECES = [
  '0',
  '1',
  '2',
  '9',
  '10',
  'a',
  'b',
  'rc',
  '~',
  '-',
  '^',
  '.',
  '.',
  '.',
  ':',
  '+',
  '_',
  ' ',
  'é',
];
const NUMBERS = [
  ...['1', '0', '-1', '2.5', '-2.5', '0.1', '100', '1e18', '1e19', '-9.3e18', '9223372036854775807', 'NULL'],
  ...["'3x'", "' 4'", "'.5'", "'-1e2'", "x'31'", "''", "'0x10'"],
];
const LETTERS = Array.from('abcdefghijklmnopqrstuvwxyzBW -1é');
const BASE64 = Array.from('AZaz09+/=-');
const PORTS = [0, 1, 8, 80, 65_535, 65_536];
const INDEXES = ['0', '1', '2', '-1', "'1'", '1.5'];
const MATH = [
  ...['sqrt', 'log', 'log10', 'ceil', 'floor', 'sin', 'cos', 'tan', 'cot', 'asin', 'acos', 'atan'],
  ...['radians', 'degrees', 'exp', 'sign'],
];

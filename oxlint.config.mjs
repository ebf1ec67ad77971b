import { CROSSING, DRIVERS, PACKAGES, TEST_FILES, TEST_PACKAGES } from './imports.mjs';

const OFF_IN_TESTS = [
  'typescript/no-non-null-assertion',
  'typescript/no-explicit-any',
  'typescript/no-unsafe-assignment',
  'typescript/no-unsafe-member-access',
  'typescript/no-unsafe-argument',
  'typescript/no-unsafe-call',
  'typescript/no-unsafe-return',
  'node/no-process-env',
];
const OFF_IN_SCRIPTS = [
  ...OFF_IN_TESTS.filter((rule) => rule.startsWith('typescript/no-unsafe')),
  'typescript/restrict-template-expressions',
  'node/no-process-env',
  'no-console',
];

export default {
  plugins: ['typescript', 'oxc', 'unicorn', 'import', 'node', 'jest', 'promise'],
  options: { typeAware: true },
  env: { es2023: true, node: true },
  ignorePatterns: ['**/dist/**', '**/node_modules/**'],
  categories: { correctness: 'error' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/await-thenable': 'error',
    'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    'typescript/only-throw-error': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/no-unsafe-return': 'error',
    'typescript/no-unsafe-assignment': 'error',
    'typescript/no-unsafe-call': 'error',
    'typescript/no-unsafe-member-access': 'error',
    'typescript/no-unsafe-argument': 'error',
    'typescript/return-await': ['error', 'error-handling-correctness-only'],
    'typescript/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
    'import/no-cycle': 'error',
    'node/no-process-env': 'error',
    'no-console': 'error',
    eqeqeq: 'error',
    'no-var': 'error',
    'promise/no-callback-in-promise': 'off',
    'unicorn/no-useless-spread': 'off',
    'jest/expect-expect': 'off',
    'jest/no-conditional-expect': 'off',
    'prefer-const': 'error',
    'no-empty': 'error',
    'jest/no-focused-tests': 'error',
    'jest/no-disabled-tests': 'error',
  },
  overrides: [
    ...Object.entries(PACKAGES).map(([folder, packages]) => boundary(folder, [`${folder}/src/**`], packages)),
    ...homesInside().map((folder) => boundary(folder, [`${folder}/**`], PACKAGES[packageOf(folder)] ?? [])),
    ...Object.entries(PACKAGES).map(([folder, packages]) =>
      boundary(folder, testsOf(folder), [...packages, ...TEST_PACKAGES]),
    ),
    ...CROSSING.map((folder) => boundary(folder, [`${folder}/**/*.ts`])),
    {
      files: [...TEST_FILES, ...[...CROSSING, 'shared/testkit'].map((folder) => `${folder}/**`)],
      rules: off(OFF_IN_TESTS),
    },
    { files: ['**/*.mjs', '**/*.js'], rules: off(OFF_IN_SCRIPTS) },
    { files: ['**/main.ts', 'deploy/local/**'], rules: off(['node/no-process-env', 'no-console']) },
  ],
};

/** The rule for one folder. A later override replaces an earlier one for the same file, so each has the whole list. Without `packages`, all are allowed. */
function boundary(folder, files, packages) {
  const allowed = packages?.flatMap((name) => [
    `!@muster/${name}`,
    ...(name.includes('/') ? [] : [`!@muster/${name}/*`]),
  ]);
  const ours = allowed === undefined ? [] : ['@muster/*', '@muster/*/*', ...allowed];
  const drivers = Object.keys(DRIVERS).filter((driver) => !DRIVERS[driver].some((home) => isWithin(folder, home)));
  const patterns = [
    { group: ours, message: 'Not in the import table of this package; see imports.mjs.' },
    { group: drivers, message: 'A foreign driver lives behind one port; see imports.mjs.' },
    {
      regex: String.raw`^(\.\./){${folder in PACKAGES || packageOf(folder) !== undefined ? 3 : 2},}(shared|services|deploy|test)/|^(\.\./)+([^.].*/)?(src|dist)/`,
      message: 'A relative import stays inside its package; import the other package by its name.',
    },
  ];
  return {
    files,
    rules: { 'no-restricted-imports': ['error', { patterns: patterns.filter(({ group }) => group?.length !== 0) }] },
  };
}

/** Folders inside a package that alone may import a driver. */
function homesInside() {
  return [...new Set(Object.values(DRIVERS).flat())].filter(
    (home) => packageOf(home) !== undefined && !(home in PACKAGES),
  );
}

function packageOf(folder) {
  return Object.keys(PACKAGES).find((home) => isWithin(folder, home));
}

function isWithin(folder, home) {
  return `${folder}/`.startsWith(`${home}/`);
}

function testsOf(folder) {
  return TEST_FILES.map((pattern) => `${folder}/src/${pattern}`);
}

function off(rules) {
  return Object.fromEntries(rules.map((rule) => [rule, 'off']));
}

import { CROSSING, DRIVERS, ESCAPES, PACKAGES, SIMULATED, TEST_FILES, TEST_PACKAGES } from './imports.mjs';

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
    ...Object.entries(SIMULATED).flatMap(([folder, outside]) => simulated(folder, outside)),
    ...homesInside().map((folder) => boundary(folder, [`${folder}/**`], PACKAGES[packageOf(folder)] ?? [])),
    ...Object.entries(PACKAGES).map(([folder, packages]) =>
      boundary(folder, testsOf(folder), [...packages, ...TEST_PACKAGES]),
    ),
    ...CROSSING.map((folder) => boundary(folder, [`${folder}/**/*.ts`])),
    {
      files: [...TEST_FILES, ...[...CROSSING, 'shared/testkit'].map((folder) => `${folder}/**`)],
      rules: off([...OFF_IN_TESTS, 'no-restricted-globals', 'no-restricted-properties']),
    },
    { files: ['**/*.mjs', '**/*.js'], rules: off(OFF_IN_SCRIPTS) },
    { files: ['**/main.ts', 'deploy/local/**'], rules: off(['node/no-process-env', 'no-console']) },
  ],
};

/**
 * The rule for one folder. A later override replaces an earlier one for the same file, so each has the whole list.
 * Without `packages`, all are allowed.
 */
function boundary(folder, files, packages, more = []) {
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
    ...more,
  ];
  return {
    files,
    rules: { 'no-restricted-imports': ['error', { patterns: patterns.filter(({ group }) => group?.length !== 0) }] },
  };
}

/** What runs in the simulated world reaches nothing past it. */
function simulated(folder, outside) {
  const message =
    'This code runs in the simulated world (test/simulation): use a port, or name the file in SIMULATED of imports.mjs.';
  const packages = PACKAGES[folder];
  const inside = boundary(folder, [`${folder}/src/**`], packages, [
    { group: ESCAPES.modules, message },
    { group: ['node:crypto', 'crypto'], importNames: ESCAPES.crypto, message },
  ]);
  inside.rules['no-restricted-globals'] = ['error', ...ESCAPES.globals.map((name) => ({ name, message }))];
  inside.rules['no-restricted-properties'] = ['error', ...ESCAPES.properties.map((each) => ({ ...each, message }))];
  const files = outside.flatMap((path) => (path.endsWith('.ts') ? [`${folder}/${path}`] : [`${folder}/${path}/**`]));
  if (files.length === 0) return [inside];
  const free = boundary(folder, files, packages);
  return [inside, { ...free, rules: { ...free.rules, ...off(['no-restricted-globals', 'no-restricted-properties']) } }];
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

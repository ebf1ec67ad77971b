import { fileURLToPath } from 'node:url';
import { shippedPacks } from '../../services/cli/dist/packs/shipped-packs.js';
import { shippedQuestions } from '../../services/cli/dist/questions/shipped-questions.js';

const moduleOf = (name) => fileURLToPath(new URL(`../../services/cli/dist/${name}.js`, import.meta.url));
/** By module: the function that it exports, and what it returns here. */
const TEXTS = new Map([
  [moduleOf('questions/shipped-questions'), ['shippedQuestions', shippedQuestions]],
  [moduleOf('packs/shipped-packs'), ['shippedPacks', shippedPacks]],
]);

/** A plugin of esbuild: the questions and packs that come with the CLI are part of the bundle. */
export const inlineTexts = {
  name: 'inline-texts',
  setup(bundler) {
    bundler.onLoad({ filter: /\/shipped-(questions|packs)\.js$/ }, ({ path }) => {
      const [name, read] = TEXTS.get(path) ?? [];
      if (name === undefined) return undefined;
      const entries = JSON.stringify([...read()]);
      return { contents: `const TEXTS = new Map(${entries});\nexport const ${name} = () => TEXTS;`, loader: 'js' };
    });
  },
};

import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../cli/questions/', import.meta.url);
const NAME = 'virtual:questions';

/** A plugin of Vite: `virtual:questions` has the questions that come with the CLI, text by name. */
export function questions() {
  return {
    name: 'questions',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load(id) {
      if (id !== `\0${NAME}`) return undefined;
      const files = readdirSync(FOLDER).filter((file) => file.endsWith('.sql'));
      const entries = files.sort().map((file) => [file.slice(0, -4), readFileSync(new URL(file, FOLDER), 'utf8')]);
      return `export default ${JSON.stringify(Object.fromEntries(entries))};`;
    },
  };
}

/**
 * Leaves out what no test should pin down: what a logger writes, the help of metrics, the messages of errors that only
 * developers see. A plug-in of the mutation tester.
 */
const { declareValuePlugin, PluginKind } = require('@stryker-mutator/api/plugin');

const LEVELS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);

function isLogCall({ node }) {
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return false;
  const { object, property } = node.callee;
  const name = object.type === 'MemberExpression' ? object.property.name : object.name;
  return /logger$/i.test(name ?? '') && LEVELS.has(property.name);
}

function isHelp({ node }) {
  return node.type === 'ObjectProperty' && node.key.name === 'help';
}

function isDeveloperError({ node }) {
  return node.type === 'NewExpression' && /^(Type|Range)?Error$/.test(node.callee.name ?? '');
}

exports.strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'texts', {
    shouldIgnore(path) {
      if (isLogCall(path)) return 'what a logger writes';
      if (isHelp(path)) return 'the help of a metric';
      return isDeveloperError(path) ? 'the message of an error of the program' : undefined;
    },
  }),
];

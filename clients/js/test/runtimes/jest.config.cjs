// Jest with jsdom for the tests in this folder. Its packages are installed elsewhere: WSE_RUNTIMES says where.

const { createRequire } = require("node:module");
const { join } = require("node:path");

const from = createRequire(join(process.env.WSE_RUNTIMES, "package.json"));

module.exports = {
  rootDir: __dirname,
  testMatch: ["<rootDir>/*.spec.cjs"],
  moduleFileExtensions: ["cjs", "js", "json"],
  testEnvironment: from.resolve("jest-environment-jsdom"),
  transform: {},
  testTimeout: 30_000,
};

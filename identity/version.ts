/** The version of the programs and of the API, SemVer; the same as in `package.json`. */
export const VERSION = "0.1.0";

export { type Excerpt, excerptId } from "../wire/excerpt.ts";

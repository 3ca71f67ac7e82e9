# Skyfabric's worker and command line. glibc is needed: Temporal's native core has no musl build, so no Alpine image.
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY workflows workflows
COPY activities activities
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/package.json ./
RUN install -d -o node -g node -m 0700 /var/lib/skyfabric
USER node
ENTRYPOINT ["node", "dist/src/cli/main.js"]
CMD ["worker"]

// The workflows that a worker offers, by the very names under which Temporal knows them.
export { BootstrapFabric } from './bootstrap-fabric';
export { CheckClusters } from './check-clusters';
export { CleanUpFabric } from './clean-up-fabric';
export { ConnectServiceAcrossClusters } from './connect-service-across-clusters';
export { DisconnectService } from './disconnect-service';
export { EstablishLink } from './establish-link';
export { GuardFabric } from './guard-fabric';
export { SettleCleanup } from './settle-cleanup';
export { TeardownFabric } from './teardown-fabric';
export { TeardownLink } from './teardown-link';
export { VerifyFabric } from './verify-fabric';

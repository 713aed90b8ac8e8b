using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>
/// The mailbox of the policy keeper, which stands in the trainer's place where weights come from folders. A request that comes
/// while another one is carried out waits for it. Each is answered by <see cref="PolicyState"/> or <see cref="PolicyRefused"/>.
/// </summary>
public interface IPolicyKeeperMessage;

/// <summary>From a client: which weights are held, and whether decoders decode.</summary>
public sealed record QueryPolicy : IPolicyKeeperMessage;

/// <summary>From a client: decoders finish the step at hand and start none until <see cref="ResumeDecoding"/>.</summary>
public sealed record PauseDecoding : IPolicyKeeperMessage;

/// <summary>From a client: decoders go on, with all samples that they had.</summary>
public sealed record ResumeDecoding : IPolicyKeeperMessage;

/// <summary>
/// From a client: replace the weights between two steps. Decoders that were paused stay so; others go on with the new weights.
/// </summary>
/// <param name="Folder">The folder of the new weights.</param>
/// <param name="Version">Their version, higher than that of the present ones; null takes the next.</param>
public sealed record ReplaceWeights(string Folder, PolicyVersion? Version) : IPolicyKeeperMessage;

/// <summary>To the client: the weights that are held, and whether decoders are paused.</summary>
public sealed record PolicyState(Policy Policy, bool IsPaused);

/// <summary>To the client: nothing has changed but, where it says so, that decoders are paused.</summary>
public sealed record PolicyRefused(string Reason);

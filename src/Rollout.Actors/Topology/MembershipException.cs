namespace Rollout.Actors.Topology;

/// <summary>
/// This process is not a member of a working cluster, for no known fault of its configuration: the same command may succeed
/// later. The message is a sentence for the user.
/// </summary>
public sealed class MembershipException(string message, Exception? inner = null) : Exception(message, inner);

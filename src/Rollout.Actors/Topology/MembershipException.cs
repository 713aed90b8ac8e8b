namespace Rollout.Actors.Topology;

/// <summary>
/// This process is no member of a working cluster, though nothing is known to be wrong with its configuration: the same
/// command may succeed a while later. The message is a sentence for the user.
/// </summary>
public sealed class MembershipException(string message, Exception? inner = null) : Exception(message, inner);

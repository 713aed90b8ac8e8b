namespace Rollout.Actors.Rewards.Programs;

/// <summary>What a program in a sandbox may use. Its time is limited by who runs it.</summary>
/// <param name="Memory">Bytes of address space of each of its processes.</param>
/// <param name="Processes">Processes and threads.</param>
/// <param name="Network">It may use the network.</param>
/// <param name="ReadOnly">Files and folders that it sees beside the system's programs and libraries.</param>
public sealed record SandboxLimits(long Memory, int Processes, bool Network, IReadOnlyList<string> ReadOnly);

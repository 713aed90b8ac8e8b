using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>What became of samples that a planner was given.</summary>
public abstract record SampleOutcome(GroupId Group);

/// <summary>One sample is complete.</summary>
public sealed record SampleFinished(GroupId Group, Completion Completion) : SampleOutcome(Group);

/// <summary>The group can't be finished here or anywhere, and nothing of it runs here any more.</summary>
public sealed record SamplesFailed(GroupId Group, string Reason) : SampleOutcome(Group);

using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>How samples of an engine ended.</summary>
public abstract record SampleOutcome(GroupId Group);

/// <summary>One sample is complete.</summary>
public sealed record SampleFinished(GroupId Group, Completion Completion) : SampleOutcome(Group);

/// <summary>The group can't be finished by any engine, and this one has dropped it.</summary>
public sealed record SamplesFailed(GroupId Group, string Reason) : SampleOutcome(Group);

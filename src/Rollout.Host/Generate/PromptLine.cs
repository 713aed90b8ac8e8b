using System.Text.Json;
using Rollout.Actors.Protocol;

namespace Rollout.Host.Generate;

/// <summary>One prompt of the input.</summary>
/// <param name="Id">As its line gives it: a text or a number.</param>
/// <param name="Group">Its samples; the group's id is the line's number in the file, from 1.</param>
public sealed record PromptLine(JsonElement Id, GroupRequest Group);

using System.Text.Json;
using Rollout.Actors.Protocol;

namespace Rollout.Host.Generate;

/// <summary>One prompt of generate's input.</summary>
/// <param name="Id">The id as the line has it: a text or a number.</param>
/// <param name="Group">The prompt's samples. The group's id is the number of the line, from 1.</param>
/// <param name="Fields">The line's other fields, which its lines of the output repeat.</param>
internal sealed record PromptLine(JsonElement Id, GroupRequest Group, Dictionary<string, JsonElement> Fields);

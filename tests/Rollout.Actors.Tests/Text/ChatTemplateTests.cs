using System.Text.Json;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class ChatTemplateTests
{
    private const string Qwen25 =
        """
        {%- if tools %}{{- '<|im_start|>system\n' }}{%- else %}
        {%- if messages[0]['role'] == 'system' %}
            {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
        {%- else %}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
        {%- endif %}{%- endif %}
        {%- for message in messages %}
            {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
        """;

    private const string Llama3 =
        "{% for message in messages %}"
        + "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
        + "+ message['content'] | trim + '<|eot_id|>' %}{{ content }}{% endfor %}";

    private static readonly ChatMessage[] Question = [new("user", " 1+1? ")];

    private static readonly ChatMessage[] Conversation =
        [new("system", "Be brief."), new("user", "1+1?"), new("assistant", "2"), new("user", "2+2?")];

    [QwenFact]
    public void Qwen3_has_no_system_prompt_of_its_own_and_leaves_thinking_to_the_model()
    {
        var template = ChatTemplate.Load(Fixtures.Qwen3!);
        Assert.Equal(
            "<|im_start|>user\n 1+1? <|im_end|>\n<|im_start|>assistant\n", template.Format(Question));
        Assert.Equal(
            "<|im_start|>user\n 1+1? <|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
            template.Format(Question, enableThinking: false));
        Assert.Equal(
            "<|im_start|>user\n 1+1? <|im_end|>\n", template.Format(Question, addGenerationPrompt: false));
    }

    [QwenFact]
    public void Qwen3_keeps_thoughts_after_the_last_query_and_drops_earlier_ones()
    {
        var template = ChatTemplate.Load(Fixtures.Qwen3!);
        Assert.Equal(
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
            + "<|im_start|>user\nc<|im_end|>\n"
            + "<|im_start|>assistant\n<think>\nhm\n</think>\n\nd<|im_end|>\n",
            template.Format(
                [
                    new("user", "a"), new("assistant", "<think>\nwell\n</think>\n\nb"),
                    new("user", "c"), new("assistant", "<think>\nhm\n</think>\n\nd"),
                ],
                addGenerationPrompt: false));
        Assert.Equal(
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nb<|im_end|>\n",
            template.Format([new("user", "a"), new("assistant", "b")], addGenerationPrompt: false));
    }

    [Fact]
    public void Qwen2_5_puts_its_own_system_prompt_where_none_is_given()
    {
        using var folder = Folder(Qwen25);
        var template = ChatTemplate.Load(folder.Path);
        Assert.Equal(
            "<|im_start|>system\n"
            + "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
            + "<|im_start|>user\n 1+1? <|im_end|>\n<|im_start|>assistant\n",
            template.Format(Question, enableThinking: false));
        Assert.Equal(
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n"
            + "<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n",
            template.Format(Conversation));
    }

    [Fact]
    public void A_template_that_opens_the_thought_itself_does_so()
    {
        using var folder = Folder(
            "<|im_start|>{% if add_generation_prompt %}"
            + "{{- '<|im_start|>assistant\\n<think>\\n' }}{% endif %}");
        Assert.EndsWith("<|im_start|>assistant\n<think>\n", ChatTemplate.Load(folder.Path).Format(Question));
    }

    [Fact]
    public void Llama3_begins_the_text_and_trims_every_turn()
    {
        using var folder = Folder(Llama3);
        Assert.Equal(
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\n",
            ChatTemplate.Load(folder.Path).Format(Question));
    }

    [Fact]
    public void Llama3_1_always_has_a_system_turn_with_dates()
    {
        using var folder = Folder(Llama3 + "{{ 'Cutting Knowledge Date: December 2023\\n' }}");
        var template = ChatTemplate.Load(folder.Path);
        const string System = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
            + "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
        const string User = "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n1+1?";
        Assert.StartsWith(System + User, template.Format(Question));
        Assert.StartsWith($"{System}Be brief.{User}", template.Format(Conversation));
    }

    [Fact]
    public void The_template_file_counts_more_than_the_configuration()
    {
        using var folder = Folder(Qwen25);
        folder.Write("chat_template.jinja", Llama3);
        Assert.StartsWith("<|begin_of_text|>", ChatTemplate.Load(folder.Path).Format(Question));
    }

    [Fact]
    public void Of_several_named_templates_the_default_counts()
    {
        using var folder = new TemporaryFolder(("tokenizer_config.json", JsonSerializer.Serialize(new
        {
            chat_template = new[]
            {
                new { name = "tool_use", template = Llama3 },
                new { name = "default", template = Qwen25 },
            },
        })));
        Assert.StartsWith(
            "<|im_start|>system\nYou are Qwen", ChatTemplate.Load(folder.Path).Format(Question));
    }

    [Fact]
    public void Other_formats_and_none_are_refused_by_file()
    {
        using var folder = Folder("[INST] {{ messages }} [/INST]");
        var wrong = Assert.Throws<InvalidDataException>(() => ChatTemplate.Load(folder.Path));
        Assert.Contains("tokenizer_config.json: the chat template has neither", wrong.Message);
        Assert.Contains("ChatML", wrong.Message);
        Assert.Contains("Llama 3", wrong.Message);

        folder.Write("tokenizer_config.json", "{}");
        Assert.Contains(
            "has no chat_template",
            Assert.Throws<InvalidDataException>(() => ChatTemplate.Load(folder.Path)).Message);
    }

    [Fact]
    public void A_template_file_that_is_a_folder_or_no_UTF8_is_refused_by_name()
    {
        using var folder = Folder(Qwen25);
        var jinja = folder.At("chat_template.jinja");
        Directory.CreateDirectory(jinja);
        Assert.Equal($"{jinja}: is a folder, expected a file with the chat template", Refusal());

        Directory.Delete(jinja);
        File.WriteAllBytes(jinja, [.. "<|im_start|>"u8, 0xff]);
        Assert.Equal($"{jinja}: is not valid UTF-8", Refusal());

        string Refusal() => Assert.Throws<InvalidDataException>(() => ChatTemplate.Load(folder.Path)).Message;
    }

    [Fact]
    public void An_unknown_role_and_an_empty_conversation_are_refused()
    {
        using var folder = Folder(Qwen25);
        var template = ChatTemplate.Load(folder.Path);
        Assert.Contains(
            "the role \"tool\"",
            Assert.Throws<ArgumentException>(() => template.Format([new("tool", "x")])).Message);
        Assert.Throws<ArgumentException>(() => template.Format([]));
    }

    private static TemporaryFolder Folder(string template) =>
        new(("tokenizer_config.json", JsonSerializer.Serialize(new { chat_template = template })));
}
